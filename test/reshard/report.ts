import type { Felt } from './felt.ts'
import type { Moved, ReshardResult } from './scenario.ts'

const SHOWN_MAX = 30

/** For people. */
export function report({ moves, peaks, counts, writes, reads, violations }: ReshardResult): string {
  const acknowledged = writes.acknowledged.toLocaleString('en')
  const lines = [
    ...moves.flatMap(describe),
    ...[...counts].toSorted(([one], [other]) => one.localeCompare(other)).map(([what, count]) => `${what.padEnd(44)}${shown(count).padStart(10)}`),
    `writes  ${acknowledged} acknowledged, ${shown(writes.unknown)} unknown, ${shown(writes.refused)} refused`,
    `reads   ${shown(reads.entries)} entries judged, ${shown(reads.bounded)} of them behind a Logfold-After`,
    `memory  ${[...peaks].map(([name, megabytes]) => `${name} ${megabytes} MB`).join(', ')} at most`,
    violations.length === 0 ? 'No violation' : `${violations.length} VIOLATIONS:`,
    ...violations.slice(0, SHOWN_MAX).map(violation => `- ${violation.slice(0, 800)}`),
  ]
  return `${lines.join('\n')}\n`
}

function describe({ from, to, plannedMs, readyMs, plainMs, verifyMs, goneMs, switches, before, building }: Moved): readonly string[] {
  const ratio = plainMs === undefined ? '' : `, ${(readyMs / plainMs).toFixed(2)} × the plain ingest (${seconds(plainMs)})`
  return [
    `${from} → ${to}`,
    `  dry run           ${seconds(plannedMs)}`,
    `  create to ready   ${seconds(readyMs)}${ratio}`,
    `  verify            ${verifyMs === undefined ? 'not asked for' : seconds(verifyMs)}, complete ${seconds(goneMs)}`,
    ...switches.map(({ verb, tookMs, felt }) => `  ${verb.padEnd(17)} ${shown(tookMs)} ms; ${clients(felt)}`),
    `  before            ${clients(before)}`,
    `  building          ${clients(building)}`,
  ]
}

const clients = ({ readsPerSecond, writesPerSecond, medianMs, p99Ms, longestMs, gapMs }: Felt): string =>
  `${shown(readsPerSecond)} reads/s, ${shown(writesPerSecond)} writes/s; a read took ${medianMs} ms (median), ${p99Ms} (p99), ${longestMs} (longest); longest time without an answer ${gapMs} ms`

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
const shown = (value: number): string => Math.round(value).toLocaleString('en')
