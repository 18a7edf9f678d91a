import type { Command } from 'commander'
import { loadConfig } from '../config/load.ts'
import { errorKinds } from '../model/errors.ts'
import type { CheckResult, Commands } from './commands.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { type ConfigFlags, configFlagsText, configOptions, withConfigFlags, withDataDir, withJson } from './options.ts'
import { nextStepsText, table } from './table.ts'

export function addCheck(program: Command, commands: Commands, io: Io, setExit: (code: number) => void): void {
  withJson(withDataDir(withConfigFlags(program.command('check').description('check the config, and every server it names'))))
    .addHelpText(
      'after',
      helpText([
        ['logfold check', ''],
        ['logfold check -c prod.yaml --json', ''],
      ]),
    )
    .action(async (flags: ConfigFlags) => setExit(await check(flags, commands, io)))
}

async function check(flags: ConfigFlags, commands: Commands, io: Io): Promise<number> {
  const config = await loadConfig(configOptions(flags, io), commands)
  const found = `${config.file}: ${count(config.views.size, 'view')}, ${count(config.backends.size, 'backend')}`
  const checks: readonly CheckResult[] = [{ name: 'config', ok: true, detail: found }, ...(await commands.check(config))]
  const failed = checks.filter(({ ok }) => !ok)
  const steps =
    failed.length === 0 ? [`Run it: logfold start${configFlagsText(flags)}`] : failed.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy]))
  if (flags.json === true) await printJson(io.stdout, { ok: failed.length === 0, checks, notes: config.notes, next_steps: steps })
  else await write(io.stdout, `${checksText(checks)}${config.notes.map(note => `note: ${note}\n`).join('')}${nextStepsText(steps)}`)
  return Math.max(0, ...failed.map(({ code }) => (code === undefined ? errorKinds.unreachable : errorKinds[code]).exit))
}

const checksText = (checks: readonly CheckResult[]): string => table(checks.map(({ ok, name, detail }) => [ok ? 'ok' : 'FAILED', name, detail]))

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`
