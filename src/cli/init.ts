import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { fileProblem } from '../config/file-problem.ts'
import { packageRoot } from '../config/package-root.ts'
import { LogfoldError } from '../model/errors.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { withJson } from './options.ts'
import { nextStepsText } from './table.ts'

const KINDS = ['redis', 'postgres', 'sqlite']

interface InitFlags {
  readonly config: string
  readonly force?: boolean
  readonly json?: boolean
}

export function addInit(program: Command, io: Io): void {
  withJson(
    program
      .command('init')
      .description('write a config to start from, with a comment for every key')
      .addArgument(new Argument('[kind]', 'where the views are kept').choices(KINDS).default('sqlite'))
      .option('-c, --config <file>', 'where to write it', 'logfold.yaml')
      .option('--force', 'write over what is there'),
  )
    .addHelpText(
      'after',
      helpText([
        ['logfold init', 'writes ./logfold.yaml'],
        ['logfold init redis -c prod.yaml', 'a ring of Redis servers'],
        ['logfold init postgres', ''],
      ]),
    )
    .action((kind: string, flags: InitFlags) => init(kind, flags, io))
}

async function init(kind: string, flags: InitFlags, io: Io): Promise<void> {
  const file = resolve(io.cwd, flags.config)
  const template = await readFile(join(packageRoot, 'config', `init-${kind}.yaml`))
  try {
    await writeFile(file, template, { flag: flags.force === true ? 'w' : 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new LogfoldError('usage', `${file} is there already`, { remedy: 'Write over it with --force, or name another file with -c.' })
    }
    throw new LogfoldError('usage', fileProblem(file, error), { cause: error })
  }
  const flag = flags.config === 'logfold.yaml' ? '' : ` -c ${flags.config}`
  const steps = [
    `Check it: logfold check${flag}`,
    `Run it: logfold start${flag}`,
    'Have your editor help: logfold config schema > logfold.schema.json',
  ]
  if (flags.json === true) await printJson(io.stdout, { file, next_steps: steps })
  else await write(io.stdout, `${file} is written\n${nextStepsText(steps)}`)
}
