import type { Found, Look } from '../model/view-backend.ts'
import { Backoff } from '../pipeline/backoff.ts'
import { type Difference, type Expected, isRepairable, judge, placeOf, type RepairableKind } from './difference.ts'
import type { LogFold } from './log-fold.ts'
import type { Throttle } from './pace.ts'
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
    const { shards, patience } = this.#options
    for (;;) {
      let asked = 0
      let settled = 0
      for (const shard of shards.names) {
        const pass = await this.#pass(shard)
        asked += pass.asked
        settled += pass.settled
      }
      if (asked === 0) return
      if (settled > 0) this.#backoff.reset()
      else await this.#backoff.wait(patience.signal)
    }
  }

  async #pass(shard: string): Promise<{ readonly asked: number; readonly settled: number }> {
    const { scratch, pageEntries, throttle, patience } = this.#options
    let asked = 0
    let settled = 0
    for (let after: string | undefined; ; ) {
      const page = await scratch.suspects(shard, after, pageEntries)
      if (page.length === 0) return { asked, settled }
      patience.signal.throwIfAborted()
      after = page.at(-1)?.id
      asked += page.length
      settled += await this.#page(shard, page)
      await throttle.took(page.length, patience.signal)
    }
  }

  /** @returns how many are settled */
  async #page(shard: string, page: readonly Suspect[]): Promise<number> {
    const { scratch, repair, repairs, report, settled } = this.#options
    let outcomes: Outcome[] = []
    for (let rest = page; rest.length > 0; ) {
      const judged = await this.#judged(shard, rest)
      rest = rest.slice(judged.length)
      const faults = judged.flatMap(({ suspect, expected, verdict }) => (isRepairable(verdict) ? [{ id: suspect.id, kind: verdict, expected }] : []))
      const mended = repairs() && faults.length > 0 ? await repair.mend(shard, faults) : undefined
      outcomes = [...outcomes, ...judged.map(one => outcomeOf(shard, one, mended))]
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

function outcomeOf(shard: string, { suspect, expected, verdict }: Judged, mended: ReadonlyMap<string, RepairOutcome> | undefined): Outcome {
  const { id, tries } = suspect
  const told = (kind: Difference['kind'], repaired = false): Outcome => ({
    id,
    again: false,
    difference: { kind, shard, id, place: placeOf(expected), repaired },
  })
  const repair = mended?.get(id)
  if (verdict === 'agrees') return suspect.mended === undefined ? { id, again: false } : told(suspect.mended, true)
  if (isRepairable(verdict) && (repair === undefined || repair === 'never' || tries + 1 >= TRIES_MAX)) return told(verdict)
  if (isRepairable(verdict)) return { id, again: true, ...(repair === 'mended' ? { mended: verdict satisfies RepairableKind } : {}) }
  if (verdict !== 'undecided') return told(verdict)
  return tries + 1 >= TRIES_MAX ? told('unsettled') : { id, again: true }
}
