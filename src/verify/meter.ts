import type { Progress } from '../model/verify-status.ts'
import type { Clock } from '../pipeline/pace.ts'

const SAMPLE_MS = 1_000
const SAMPLES_MAX = 20

/** How fast a phase goes, over its last seconds. */
export class Meter {
  readonly #clock: Clock
  #samples: { readonly atMs: number; readonly done: number }[] = []
  #done = 0
  #total = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A phase begins, or goes on at `done`. */
  begin(done: number, total: number): void {
    this.#done = done
    this.#total = total
    this.#samples = [{ atMs: this.#clock.nowMs(), done }]
  }

  add(count: number): void {
    this.#done += count
    // There may turn out to be more than was thought.
    this.#total = Math.max(this.#total, this.#done)
    const atMs = this.#clock.nowMs()
    if (atMs - (this.#samples.at(-1)?.atMs ?? 0) < SAMPLE_MS) return
    this.#samples.push({ atMs, done: this.#done })
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
  }

  progress(): Progress {
    const first = this.#samples[0]
    const seconds = first === undefined ? 0 : (this.#clock.nowMs() - first.atMs) / 1_000
    const perSecond = first === undefined || seconds <= 0 ? 0 : (this.#done - first.done) / seconds
    return {
      done: this.#done,
      total: this.#total,
      perSecond: Math.round(perSecond),
      etaSeconds: perSecond > 0 ? Math.ceil((this.#total - this.#done) / perSecond) : null,
    }
  }
}
