import { pause } from '../model/pause.ts'

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

/**
 * Holds work down to so many things a second, whoever does it. What was done is owed, and paid off as time goes by; idle time isn't saved up. The
 * rate may be changed at any time: what is owed is paid off at the new one from then on, also by who waits already.
 */
export class Throttle {
  readonly #clock: Clock
  #rate: number | undefined
  /** Ends the waits under way, as they were reckoned with another rate. */
  #changed = new AbortController()
  #taken = 0
  /** Never more than was taken. */
  #paid = 0
  #atMs: number

  /** @param rate things a second; undefined: nothing is held down */
  constructor(rate: number | undefined, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
    this.#atMs = clock.nowMs()
  }

  change(rate: number | undefined): void {
    if (rate === this.#rate) return
    this.#pay()
    this.#rate = rate
    this.#changed.abort()
    this.#changed = new AbortController()
  }

  /** So many were done. */
  take(count: number): void {
    this.#pay()
    this.#taken += count
  }

  /** Waits until all is paid that is owed now. Ends early, without an error, when the signal says so. */
  async free(signal: AbortSignal): Promise<void> {
    const until = this.#taken
    for (;;) {
      const owedMs = this.#owedMs(until)
      if (owedMs < WAIT_MIN_MS || signal.aborted) return
      await this.#clock.wait(owedMs, AbortSignal.any([signal, this.#changed.signal]))
    }
  }

  /** Both. */
  async took(count: number, signal: AbortSignal): Promise<void> {
    this.take(count)
    await this.free(signal)
  }

  #owedMs(until: number): number {
    this.#pay()
    return this.#rate === undefined ? 0 : (1_000 * (until - this.#paid)) / this.#rate
  }

  #pay(): void {
    const nowMs = this.#clock.nowMs()
    const payable = this.#rate === undefined ? Number.POSITIVE_INFINITY : ((nowMs - this.#atMs) * this.#rate) / 1_000
    this.#paid = Math.min(this.#taken, this.#paid + payable)
    this.#atMs = nowMs
  }
}
