import { type ChaosResult, CONVERGE_MS } from './run.ts'

/** Of violations that begin alike. */
const SHOWN_MAX = 8

/** For people. */
export function report(result: ChaosResult): string {
  const { cycles, counts, violations, writes, reads, letters, recoveriesMs } = result
  const total = [...cycles.values()].reduce((sum, count) => sum + count, 0)
  const sorted = recoveriesMs.toSorted((a, b) => a - b)
  const lines = [
    ...[...cycles].map(([kind, count]) => `${kind.padEnd(34)}${String(count).padStart(5)}`),
    `${'fault cycles'.padEnd(34)}${String(total).padStart(5)}   ${Math.min(...cycles.values())} or more of each kind; in ${recoveriesMs.length} rounds, ${number(result.loadedS)} s of load`,
    '',
    ...[...counts].toSorted(([one], [other]) => one.localeCompare(other)).map(([what, count]) => `${what.padEnd(60)}${number(count).padStart(10)}`),
    '',
    `writes       ${number(writes.acknowledged)} acknowledged, ${number(writes.unknown)} unknown (${number(writes.unknownThere)} of the puts are there), ${number(writes.refused)} refused`,
    `log          ${number(result.records)} records read as they came, ${number(result.holes)} removed before, ${number(writes.superseded)} acknowledged writes among them; ${number(result.left)} left at the end; kcat began ${result.captureRestarts} times again`,
    `reads        ${number(reads.entries)} entries judged, ${number(reads.bounded)} of them behind a Logfold-After`,
    `views        ${result.views} of ${number(result.entries)} entries, by two APIs and in the stores`,
    `dead letters ${number(letters.bad)} records of ${letters.reasons} reasons, each in every view; ${letters.repeated} written twice`,
    `well again   after ${number(sorted[sorted.length >> 1] ?? 0)} ms (median), ${number(sorted.at(-1) ?? 0)} ms (longest), under load`,
    `lag 0        ${number(result.convergedMs)} ms after the last fault (${number(CONVERGE_MS)} allowed)`,
    '',
    violations.length === 0
      ? `No violation in ${total} fault cycles: with 95 % confidence fewer than ${bound(total)} of such cycles have one (3/N).`
      : `${violations.length} VIOLATIONS:`,
    ...shownOf(violations),
    ...(violations.length > 0 ? [`Data, and all of them: ${result.folder}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

/** Some of each sort: one that comes in hundreds shall not hide the others. */
function shownOf(violations: readonly string[]): readonly string[] {
  const sorts = Map.groupBy(violations, violation => violation.slice(0, 12))
  return [...sorts.values()].flatMap(alike => {
    const rest = alike.length - SHOWN_MAX
    return [...alike.slice(0, SHOWN_MAX).map(violation => `- ${violation}`), ...(rest > 0 ? [`  … and ${rest} like these`] : [])]
  })
}

const number = (value: number): string => Math.round(value).toLocaleString('en-US')

const bound = (total: number): string => `${(300 / Math.max(total, 3)).toFixed(1)} %`
