import type { Command } from 'commander'
import type { ReloadAnswer } from '../model/reload.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { adminClient, type ClientFlags, withAdminFlags } from './options.ts'
import { nextStepsText, table } from './table.ts'

export function addReload(program: Command, io: Io): void {
  withAdminFlags(program.command('reload').description('have a running logfold read its config again: added views and backends'))
    .addHelpText(
      'after',
      helpText(
        [
          ['logfold reload', ''],
          ['logfold reload --admin http://10.0.0.7:9080', 'each process reads its own config'],
        ],
        `What needs a restart is named, and then nothing is taken. A view whose definition was changed serves on by its old one, until logfold rebuild or
logfold reshard create. SIGHUP does the same.
`,
      ),
    )
    .action((flags: ClientFlags) => reload(flags, io))
}

async function reload(flags: ClientFlags, io: Io): Promise<void> {
  const client = adminClient(flags, io)
  const answer = (await client.getJson('/admin/reload', { method: 'POST', headers: { 'Content-Type': 'application/json' } })) as ReloadAnswer
  if (flags.json === true) await printJson(io.stdout, answer)
  else await write(io.stdout, `${reloadText(answer)}${nextStepsText(answer.next_steps)}`)
}

function reloadText({ addedViews, addedBackends, changedViews }: ReloadAnswer): string {
  const rows = [
    ['added backends', addedBackends.join(', ')],
    ['added views', addedViews.join(', ')],
    ['changed views', changedViews.join(', ')],
  ].filter(([, names]) => names !== '')
  return rows.length === 0 ? 'The config was read, and nothing in it has changed\n' : `The config was read\n${table(rows)}`
}
