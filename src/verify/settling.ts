import type { Difference } from '../model/verify-status.ts'
import type { Found, Look } from '../model/view-backend.ts'
import { Backoff } from '../pipeline/backoff.ts'
import type { Throttle } from '../pipeline/pace.ts'
import { type Expected, isRepairable, judge, placeOf } from './difference.ts'
import type { LogFold } from './log-fold.ts'
import type { Patience } from './patience.ts'
import type { Repair, RepairOutcome } from './repair.ts'
import type { Report } from './report.ts'
import type { Scratch } from './scratch.ts'
import type { Outcome, Suspect } from './scratch-words.ts'
import type { Shards } from './shards.ts'

/** How often a key that is undecided, or was mended and isn't as it should be, is asked again. */
const TRIES_MAX = 10
/** Between two rounds that settled nothing. */
const ROUND_DELAY_MAX_MS = 400

interface SettlingOptions {
  readonly scratch: Scratch
  readonly logFold: LogFold
  readonly shards: Shards
  readonly repair: Repair
  readonly report: Report
  readonly patience: Patience
  readonly throttle: Throttle
  /** Suspects asked about in one go. */
  readonly pageEntries: number
  /** Asked before each page. */
  readonly repairs: () => boolean
  readonly settled: (suspects: number) => void
}

interface Judged {
  readonly suspect: Suspect
  readonly expected: Expected | undefined
  readonly verdict: Difference['kind'] | 'agrees' | 'undecided'
}

/** Asks each suspect again until a verdict holds, and mends what may be mended. */
export class Settling {
  readonly #options: SettlingOptions
  readonly #backoff = new Backoff(ROUND_DELAY_MAX_MS)

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { throttle, patience } = this.#options
    for (;;) {
      let asked = 0
      let settled = 0
      for await (const { shard, page } of this.#pages()) {
        patience.signal.throwIfAborted()
        asked += page.length
        settled += await this.#page(shard, page)
        await throttle.took(page.length, patience.signal)
      }
      if (asked === 0) return
      if (settled > 0) this.#backoff.reset()
      else await this.#backoff.wait(patience.signal)
    }
  }

  /** Every suspect there is, once. */
  async *#pages(): AsyncGenerator<{ readonly shard: string; readonly page: readonly Suspect[] }> {
    const { scratch, shards, pageEntries } = this.#options
    for (const shard of shards.names) {
      let page = await scratch.suspects(shard, undefined, pageEntries)
      for (; page.length > 0; page = await scratch.suspects(shard, page.at(-1)?.id, pageEntries)) yield { shard, page }
    }
  }

  /** @returns how many are settled */
  async #page(shard: string, page: readonly Suspect[]): Promise<number> {
    const { scratch, repair, repairs, report, settled } = this.#options
    const outcomes: Outcome[] = []
    for (let rest = page; rest.length > 0; ) {
      const judged = await this.#judged(shard, rest)
      rest = rest.slice(judged.length)
      const faults = judged.flatMap(({ suspect, expected, verdict }) => (isRepairable(verdict) ? [{ id: suspect.id, kind: verdict, expected }] : []))
      const mended = repairs() && faults.length > 0 ? await repair.mend(shard, faults) : undefined
      outcomes.push(...judged.map(one => outcomeOf(shard, one, mended?.get(one.suspect.id))))
    }
    await scratch.settle(shard, outcomes)
    report.add(outcomes.flatMap(({ difference }) => (difference === undefined ? [] : [difference])))
    const done = outcomes.filter(({ again }) => !again).length
    settled(done)
    return done
  }

  /** The first of these suspects, at least one. */
  async #judged(shard: string, suspects: readonly Suspect[]): Promise<readonly Judged[]> {
    const { scratch, shards, logFold } = this.#options
    const ids = suspects.map(({ id }) => id)
    // The shard is looked at when it is ahead of what is folded, so that the log can then be folded to just where it was.
    const look = await shards.look(shard, ids, logFold.positions())
    await logFold.toAll(look.checkpoints.map(({ position }) => position))
    const expected = await scratch.expected(ids.slice(0, look.found.length))
    return look.found.map((found, nth) => {
      const suspect = suspects[nth] ?? { id: found.id, tries: 0, mended: undefined }
      return { suspect, expected: expected[nth], verdict: verdictOf(shard === shards.owner(found.id), found, expected[nth], look) }
    })
  }
}

function verdictOf(owned: boolean, found: Found, expected: Expected | undefined, { checkpoints }: Look): Judged['verdict'] {
  if (owned) return judge(expected, found, checkpoints)
  return found.value === undefined && !found.listed ? 'agrees' : 'wrong-shard'
}

/** @param repair undefined where none was tried */
function outcomeOf(shard: string, { suspect, expected, verdict }: Judged, repair: RepairOutcome | undefined): Outcome {
  const { id, tries, mended } = suspect
  const isLast = tries + 1 >= TRIES_MAX
  const told = (kind: Difference['kind'], repaired = false): Outcome => ({
    id,
    again: false,
    difference: { kind, shard, id, place: placeOf(expected), repaired },
  })
  if (verdict === 'agrees') return mended === undefined ? { id, again: false } : told(mended, true)
  if (verdict === 'undecided') return isLast ? told('unsettled') : { id, again: true }
  if (!isRepairable(verdict) || repair === undefined || repair === 'never' || isLast) return told(verdict)
  return { id, again: true, ...(repair === 'mended' ? { mended: verdict } : {}) }
}
