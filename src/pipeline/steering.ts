import { type Clock, Throttle } from './pace.ts'

/** How an operator, or the disk that runs low, holds a fold down. */
export interface Steer {
  readonly paused: boolean
  /** Records a second in this worker, over all its partitions; undefined: as fast as it can. */
  readonly rate: number | undefined
}

/** Whether, and how fast, the folds of a generation go on in this process. Changes count at once, also for a fold that waits. */
export class Steering {
  readonly #throttle: Throttle
  readonly #held = new Set<() => void>()
  #paused = false
  #rate: number | undefined

  constructor(clock: Clock) {
    this.#throttle = new Throttle(undefined, clock)
  }

  get paused(): boolean {
    return this.#paused
  }

  /** Whether that changes anything. */
  steer({ paused, rate }: Steer): boolean {
    if (paused === this.#paused && rate === this.#rate) return false
    this.#throttle.change(rate)
    this.#rate = rate
    this.#paused = paused
    if (!paused) for (const go of this.#held) go()
    return true
  }

  /** So many records were folded. */
  took(records: number): void {
    this.#throttle.take(records)
  }

  /**
   * Before a stretch is fetched: waits until what was folded has had its time, and nothing is paused. Ends early,
   * without an error, when the signal says so.
   */
  async mayFetch(signal: AbortSignal): Promise<void> {
    await this.#throttle.free(signal)
    await this.mayApply(signal)
  }

  /** Before one is applied: waits while it is paused. Ends early, without an error, when the signal says so. */
  async mayApply(signal: AbortSignal): Promise<void> {
    while (this.#paused && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const go = (): void => resolve()
      this.#held.add(go)
      signal.addEventListener('abort', go)
      await promise
      signal.removeEventListener('abort', go)
      this.#held.delete(go)
    }
  }
}
