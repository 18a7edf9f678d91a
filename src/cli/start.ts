import { type Command, Option } from 'commander'
import { loadConfig } from '../config/load.ts'
import { type Commands, type Role, roles } from './commands.ts'
import { helpText } from './help.ts'
import { type Io, printLine } from './io.ts'
import { type ConfigFlags, configOptions, withConfigFlags, withDataDir } from './options.ts'

interface StartFlags extends ConfigFlags {
  readonly role: Role
}

export function addStart(program: Command, commands: Commands, io: Io): void {
  withDataDir(withConfigFlags(program.command('start').description('run: fold the views, and serve them')))
    .addOption(new Option('--role <role>', 'what this process does').choices(roles).default('all'))
    .addHelpText(
      'after',
      helpText([
        ['logfold start', 'the config in ./logfold.yaml, or else the job board'],
        ['logfold start -c prod.yaml', 'another config'],
        ['logfold start --set http.port=8081', 'one key of it changed'],
        ['logfold start --role api', 'serve only; a worker folds elsewhere'],
      ]),
    )
    .action((flags: StartFlags) => start(flags, commands, io))
}

async function start(flags: StartFlags, commands: Commands, io: Io): Promise<void> {
  const read = (): ReturnType<typeof loadConfig> => loadConfig(configOptions(flags, io), commands)
  const config = await read()
  for (const note of config.notes) await printLine(io.stderr, `note: ${note}`)
  await commands.start(config, { role: flags.role, readAgain: read })
}
