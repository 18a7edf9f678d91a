import type { PlannedBackend, PlannedShard, ReshardAnswer, ReshardCheck, ReshardPlan } from '../../model/reshard.ts'
import { sum } from '../generation-text.ts'
import { durationText } from '../progress-line.ts'
import { grouped, indented, table } from '../table.ts'
import { bytesText, percentText } from '../units.ts'

/** What speaks against it, and wasn't overridden. */
export const failedChecks = ({ checks }: ReshardAnswer): readonly ReshardCheck[] => checks.filter(({ ok, forced }) => !ok && !forced)

/** What a dry run found. */
export function dryRunText(answer: ReshardAnswer): string {
  const { view, verb, generation, plan } = answer
  const verdict = failedChecks(answer).length === 0 ? 'would do this' : 'would be refused'
  return [
    `${verb} of generation ${generation} of ${view} ${verdict}; nothing was done\n`,
    ...(plan === null ? [] : [planText(plan)]),
    checksText(answer.checks),
  ]
    .filter(part => part !== '')
    .join('\n')
}

export function checksText(checks: readonly ReshardCheck[]): string {
  const rows = checks.map(({ name, ok, forced, detail }) => [ok ? 'ok' : forced ? 'forced' : 'no', name, detail])
  return rows.length === 0 ? '' : `Checks\n${indented(table(rows))}`
}

function planText({ from, to, movedShare, skew, records, etaSeconds, warnings }: ReshardPlan): string {
  const facts = table([
    ['records', records === null ? '-' : `${grouped(records)} to read`],
    ['moved', movedShare === null ? '-' : `${percentText(movedShare, 1)} of the entries would stand on another server`],
    ...(skew === null ? [] : [['skew', `the fullest shard would have ${skew.toFixed(2)} times the entries of the average one`]]),
    ['time', etaSeconds === null ? 'not known before it runs' : `about ${durationText(etaSeconds)}`],
  ])
  const parts = [
    ...(from === null ? [] : [`Now, on ${from.backend}\n${indented(backendText(from, false))}`]),
    `Then, on ${to.backend}\n${indented(backendText(to, true))}`,
    `Estimates\n${indented(facts)}`,
    ...(warnings.length === 0 ? [] : [`Warnings\n${indented(warnings.map(each => `${each}\n`).join(''))}`]),
  ]
  return parts.join('\n')
}

/** `filling`: the bytes come on top of what its servers hold now. */
function backendText({ shards }: PlannedBackend, filling: boolean): string {
  const rows = shards.map(shard => rowOf(shard, filling))
  const all = { shard: 'all', entries: sum(shards.map(({ entries }) => entries)), bytes: sum(shards.map(({ bytes }) => bytes)) }
  const total = shards.length < 2 ? [] : [rowOf({ ...all, usedBytes: null, limitBytes: null }, filling)]
  return table([['SHARD', 'ENTRIES', 'SIZE', 'SERVER'], ...rows, ...total])
}

const rowOf = (shard: PlannedShard, filling: boolean): readonly string[] => [
  shard.shard,
  shard.entries === null ? '-' : grouped(shard.entries),
  shard.bytes === null ? '-' : bytesText(shard.bytes),
  serverText(shard, filling),
]

/** `1.2 GB used of 4.0 GB (30 %), then 2.4 GB (60 %)` */
function serverText({ usedBytes, limitBytes, bytes }: PlannedShard, filling: boolean): string {
  if (usedBytes === null) return limitBytes === null ? '' : `limit ${bytesText(limitBytes)}`
  const share = (used: number): string => (limitBytes === null ? '' : ` (${Math.ceil((used / limitBytes) * 100)} %)`)
  const now = `${bytesText(usedBytes)} used${limitBytes === null ? '' : ` of ${bytesText(limitBytes)}`}${share(usedBytes)}`
  return filling && bytes !== null ? `${now}, then ${bytesText(usedBytes + bytes)}${share(usedBytes + bytes)}` : now
}
