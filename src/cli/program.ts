import { Command, CommanderError } from 'commander'
import { packageVersion } from '../config/package-root.ts'
import { addCheck } from './check.ts'
import type { Commands } from './commands.ts'
import { addConfig } from './config-command.ts'
import { addDeadLetters } from './dead-letters.ts'
import { asFailure, printFailure } from './failure.ts'
import { addGet } from './get.ts'
import { EXIT_CODES } from './help.ts'
import { addInit } from './init.ts'
import { type Io, OutputClosed, processIo } from './io.ts'
import { addList } from './list.ts'
import { addLoad } from './load/command.ts'
import { addDel, addPut } from './put.ts'
import { addReload } from './reload.ts'
import { addReshard } from './reshard/command.ts'
import { addStart } from './start.ts'
import { addStatus } from './status.ts'
import { addVerify } from './verify.ts'

const START = `
First steps
  logfold start                                # the job board, at http://127.0.0.1:8080
  logfold put job 42 '{"title": "Baker"}'      # write an entry
  logfold list job                             # read them all
  logfold init                                 # a config of your own

Environment
  LOGFOLD_CONFIG, LOGFOLD_URL, LOGFOLD_ADMIN_URL   as -c, --url and --admin
  LOGFOLD_TOKEN                                    sent with every request
`

/**
 * Runs the command line, and answers with the exit code. Never throws: what goes wrong is told on stderr.
 * @param argv as `process.argv`
 */
export async function runCli(argv: readonly string[], commands: Commands, io: Io = processIo()): Promise<number> {
  let exit = 0
  try {
    const program = build(commands, io, code => {
      exit = code
    })
    await program.parseAsync(argv)
  } catch (thrown) {
    if (thrown instanceof OutputClosed) return exit
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
    // A group without a command shows its help, which says all there is to say.
    if (thrown instanceof CommanderError && thrown.code === 'commander.help') return 2
    return await printFailure(io, asFailure(thrown), argv.includes('--json')).catch(() => 70)
  }
  return exit
}

function build(commands: Commands, io: Io, setExit: (code: number) => void): Command {
  const program = new Command('logfold')
    .description('Query a compacted log: fold it into views, and serve them through REST')
    .version(packageVersion, '-V, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
      // `printFailure` tells it.
      outputError: () => undefined,
    })
    .addHelpText('after', `${START}${EXIT_CODES}`)
  addStart(program, commands, io)
  addInit(program, io)
  addCheck(program, commands, io, setExit)
  addConfig(program, commands, io)
  addStatus(program, io)
  addGet(program, io)
  addPut(program, io)
  addDel(program, io)
  addList(program, io)
  addLoad(program, io, setExit)
  addVerify(program, io, setExit)
  addDeadLetters(program, io, setExit)
  addReshard(program, io, setExit)
  addReload(program, io)
  return program
}
