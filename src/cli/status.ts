import type { Command } from 'commander'
import type { ViewStatus } from '../model/view-status.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { adminClient, type ClientFlags, withAdminFlags } from './options.ts'
import { grouped, indented, nextStepsText, table } from './table.ts'
import { verifyLine } from './verify-text.ts'

export function addStatus(program: Command, io: Io): void {
  withAdminFlags(program.command('status [view]').description('how the views are: what serves, how far it is behind, what to do next'))
    .addHelpText(
      'after',
      helpText([
        ['logfold status', 'every view, a line each'],
        ['logfold status job', 'its shards and partitions'],
        ['logfold status --json', ''],
      ]),
    )
    .action((view: string | undefined, flags: ClientFlags) => status(view, flags, io))
}

async function status(view: string | undefined, flags: ClientFlags, io: Io): Promise<void> {
  const client = adminClient(flags, io)
  if (view !== undefined) {
    const document = (await client.getJson(`/admin/views/${encodeURIComponent(view)}`)) as ViewStatus
    if (flags.json === true) await printJson(io.stdout, document)
    else await write(io.stdout, viewText(document))
    return
  }
  const { views } = (await client.getJson('/admin/views')) as { readonly views: readonly ViewStatus[] }
  const steps = [...new Set(views.flatMap(one => one.next_steps))]
  if (flags.json === true) await printJson(io.stdout, { views, next_steps: steps })
  else await write(io.stdout, viewsText(views, steps))
}

function viewsText(views: readonly ViewStatus[], steps: readonly string[]): string {
  const rows = views.map(view => [
    view.view,
    view.state,
    shown(view.generation),
    shown(view.lagRecords),
    shown(entriesOf(view)),
    shown(view.deadLetters),
    view.backend,
  ])
  const problems = views.flatMap(({ view, problem }) => (problem === null ? [] : [`${view}: ${problem.detail}\n`]))
  const header = ['VIEW', 'STATE', 'GENERATION', 'LAG', 'ENTRIES', 'DEAD LETTERS', 'BACKEND']
  return `${table([header, ...rows])}${problems.length === 0 ? '' : `\n${problems.join('')}`}${nextStepsText(steps)}`
}

function viewText(view: ViewStatus): string {
  const facts = table([
    ['state', view.state],
    ['generation', shown(view.generation)],
    ['lag', shown(view.lagRecords)],
    ['entries', shown(entriesOf(view))],
    ['dead letters', shown(view.deadLetters)],
    ['topic', view.topic],
    ['backend', view.backend],
    ['format', view.format],
    ['writable', view.writable ? 'yes' : 'no'],
    ['workers', shown(view.workers)],
    ...(view.verify ? [['verify', verifyLine(view.verify)]] : []),
    ...(view.problem === null ? [] : [['problem', view.problem.detail]]),
  ])
  const shards = table([
    ['SHARD', 'STATE', 'ENTRIES', ''],
    ...view.shards.map(({ shard, state, entries, detail }) => [shard, state, shown(entries), detail ?? '']),
  ])
  const partitions = table([
    ['PARTITION', 'POSITION', 'END', 'LAG'],
    ...view.partitions.map(({ partition, position, endOffset }) => [
      String(partition),
      shown(position),
      shown(endOffset),
      shown(lagOf(position, endOffset)),
    ]),
  ])
  return `${view.view}\n${indented(facts)}\n${indented(shards)}\n${indented(partitions)}${nextStepsText(view.next_steps)}`
}

const lagOf = (position: number | null, end: number | null): number | null => (position === null || end === null ? null : Math.max(0, end - position))

const entriesOf = ({ shards }: ViewStatus): number | null =>
  shards.reduce<number | null>((sum, { entries }) => (sum === null || entries === null ? null : sum + entries), 0)

/** A dash stands for what isn't known. */
const shown = (count: number | null): string => (count === null ? '-' : grouped(count))
