import { isLogfoldError, messageOf } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import { Backoff } from '../pipeline/backoff.ts'

/** Told as waiting once nothing has come for so long. */
const QUIET_MS = 2_000

/** Waits for what is away, and says what it waits for. An outage never ends a run. */
export class Patience {
  readonly signal: AbortSignal
  readonly #logger: Logger
  #waiting: string | undefined

  constructor(signal: AbortSignal, logger: Logger) {
    this.signal = signal
    this.#logger = logger
  }

  /** What is waited for now; undefined where nothing is. */
  get waiting(): string | undefined {
    return this.#waiting
  }

  /** Asks until there is an answer; `undefined` is none. @throws what isn't an outage; the signal's reason */
  async until<T>(ask: () => Promise<T | undefined>): Promise<T> {
    const backoff = new Backoff()
    for (;;) {
      this.signal.throwIfAborted()
      const answer = await ask().catch(error => {
        if (!isOutage(error)) throw error
        this.tell(messageOf(error))
        return undefined
      })
      if (answer !== undefined) {
        this.#waiting = undefined
        return answer
      }
      await backoff.wait(this.signal)
    }
  }

  /** For what retries by itself, and says nothing meanwhile. */
  async told<T>(why: string, answer: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.tell(why), QUIET_MS)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
      if (this.#waiting === why) this.#waiting = undefined
    }
  }

  /** Until there is an answer, or something else to tell. */
  tell(why: string): void {
    if (this.#waiting !== why) this.#logger.info('Verify waits', { for: why })
    this.#waiting = why
  }
}

/** A lost shard is opened again by the view's worker. */
const isOutage = (error: unknown): boolean =>
  isLogfoldError(error, 'log-unavailable') || isLogfoldError(error, 'view-unavailable') || isLogfoldError(error, 'view-lost')
