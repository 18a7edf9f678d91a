import { messageOf } from '../../model/errors.ts'
import type { Logger } from '../../model/logger.ts'

/** Twice a minute, so that a change is known within one. */
const AGE_MAX_MS = 30_000

/** How long a topic keeps tombstones, asked again while somebody reads it. */
export class Retention {
  readonly #ask: () => Promise<number>
  readonly #logger: Logger
  #ms: number
  #askedMs = performance.now()
  #asking = false

  constructor(ms: number, ask: () => Promise<number>, logger: Logger) {
    this.#ms = ms
    this.#ask = ask
    this.#logger = logger
  }

  /** As it was half a minute ago, or a little more where the log is slow to tell. Milliseconds. */
  get ms(): number {
    if (performance.now() - this.#askedMs > AGE_MAX_MS) void this.refresh()
    return this.#ms
  }

  /** Settles when it is known anew, or can't be told now. */
  async refresh(): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    this.#askedMs = performance.now()
    try {
      this.#ms = await this.#ask()
    } catch (error) {
      this.#logger.debug('The retention of deletes is not told; what was known holds', { cause: messageOf(error) })
    }
    this.#asking = false
  }
}
