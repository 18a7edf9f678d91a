import type { Command } from 'commander'
import { editorSchema } from '../config/editor-schema.ts'
import { loadConfig } from '../config/load.ts'
import { toYaml } from '../config/printable.ts'
import type { Commands } from './commands.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { type ConfigFlags, configOptions, withConfigFlags, withDataDir, withJson } from './options.ts'

export function addConfig(program: Command, commands: Commands, io: Io): void {
  const command = program.command('config').description('the config as logfold understands it')
  withJson(withDataDir(withConfigFlags(command.command('print').description('with flags, environment and defaults put in; secrets are masked'))))
    .addHelpText(
      'after',
      helpText([
        ['logfold config print', ''],
        ['logfold config print -c prod.yaml --json', ''],
      ]),
    )
    .action((flags: ConfigFlags) => print(flags, commands, io))
  withJson(command.command('schema').description('JSON Schema (draft 7) of the config, for editors'))
    .addHelpText(
      'after',
      helpText(
        [['logfold config schema > logfold.schema.json', '']],
        'An editor then completes and checks a config that begins with\n  # yaml-language-server: $schema=logfold.schema.json\n',
      ),
    )
    .action(() => schema(commands, io))
}

async function print(flags: ConfigFlags, commands: Commands, io: Io): Promise<void> {
  const { printable } = await loadConfig(configOptions(flags, io), commands)
  if (flags.json === true) await printJson(io.stdout, printable)
  else await write(io.stdout, toYaml(printable))
}

async function schema(commands: Commands, io: Io): Promise<void> {
  await write(io.stdout, `${JSON.stringify(await editorSchema(commands, io.cwd), undefined, 2)}\n`)
}
