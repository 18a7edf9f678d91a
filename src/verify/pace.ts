import { pause } from '../model/pause.ts'
import type { Progress } from '../model/verify-status.ts'

/** Where the time comes from. Tests bring their own. */
export interface Clock {
  /** Milliseconds since whenever; never goes back. */
  nowMs(): number
  /** Ends early, without an error, when the signal says so. */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

export const realClock: Clock = {
  nowMs: () => performance.now(),
  wait: pause,
}

/** Shorter waits cost more than they keep free; what isn't waited for now is waited for later. */
const WAIT_MIN_MS = 10

/** Holds work down to so many things a second. */
export class Throttle {
  readonly #rate: number
  readonly #clock: Clock
  #freeAtMs = Number.NEGATIVE_INFINITY

  constructor(rate: number, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
  }

  /** Waits for as long as this many take. Idle time isn't saved up. */
  async took(count: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs()
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (1_000 * count) / this.#rate
    if (this.#freeAtMs - nowMs >= WAIT_MIN_MS) await this.#clock.wait(this.#freeAtMs - nowMs, signal)
  }
}

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
