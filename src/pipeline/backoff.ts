import { pause } from '../model/pause.ts'

const FIRST_DELAY_MS = 50
const LONGEST_DELAY_MS = 5_000

/** Waits between tries: 50 ms, twice as long each time up to the longest, a quarter of it by chance so that many waiters don't come at once. */
export class Backoff {
  readonly #longestDelayMs: number
  #tries = 0

  constructor(longestDelayMs = LONGEST_DELAY_MS) {
    this.#longestDelayMs = longestDelayMs
  }

  get tries(): number {
    return this.#tries
  }

  /** Ends early, without an error, when the signal says so. */
  async wait(signal: AbortSignal): Promise<void> {
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** this.#tries, this.#longestDelayMs)
    this.#tries++
    await pause(delayMs * (0.75 + Math.random() / 4), signal)
  }

  reset(): void {
    this.#tries = 0
  }
}
