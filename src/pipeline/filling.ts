import { ifAnswered, isAnswer, isLogfoldError, type LogfoldError, messageOf } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import type { Generation } from '../model/generation.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import type { ViewAdmin, ViewBackend } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'
import { asStop } from './stops.ts'

/** A view that is being filled is looked at this often, so that it is read soon after it could be. */
const LOOK_DELAY_MAX_MS = 400

interface FillingOptions {
  readonly log: Log
  readonly topic: Topic
  readonly generation: Generation
  readonly backend: ViewBackend
  readonly logger: Logger
  /** Stops the view for safety. */
  readonly stop: (error: LogfoldError) => void
}

/** A shard that was opened anew is to reach other end offsets: what it had may have gone beyond those seen before. */
interface Goal {
  readonly opening: string
  readonly ends: readonly Offset[]
}

/**
 * Marks each shard as filled once it vouches for the end offsets seen when this process began to look (or when the shard was opened), over all
 * partitions, whoever folds them. Done by the worker that holds partition 0.
 */
export class Filling {
  readonly #options: FillingOptions
  readonly #admin: ViewAdmin
  /** Shard → what it has yet to reach; undefined until store and log have told it. */
  readonly #missing = new Map<string, Goal | undefined>()
  #stopping = new AbortController()
  #watching: Promise<void> | undefined

  constructor(options: FillingOptions, admin: ViewAdmin) {
    this.#options = options
    this.#admin = admin
  }

  start(): void {
    for (const shard of this.#options.backend.shards) this.#missing.set(shard, undefined)
    this.#stopping = new AbortController()
    this.#watching ??= this.#watch()
  }

  /** The shard was opened, or came back from before it was filled: it is looked at again. */
  opened(shard: string): void {
    this.#missing.set(shard, undefined)
    if (!this.#stopping.signal.aborted) this.#watching ??= this.#watch()
  }

  /**
   * Looks whether a shard still has its mark: it lost it with an older state that was brought back, or to somebody who took it away. A shard that
   * can't be asked is for whoever watches it. @throws bugs
   */
  async check(shard: string): Promise<void> {
    if (this.#missing.has(shard) || this.#stopping.signal.aborted) return
    const { filled } = (await ifAnswered(() => this.#admin.marks(shard))) ?? { filled: true }
    if (!filled) this.opened(shard)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  async #watch(): Promise<void> {
    const signal = this.#stopping.signal
    const backoff = new Backoff(LOOK_DELAY_MAX_MS)
    for (let failing = false; !signal.aborted; ) {
      try {
        await this.#fill()
        if (this.#missing.size === 0) break
        failing = false
      } catch (error) {
        if (isLogfoldError(error, 'closed')) break
        if (!isAnswer(error)) {
          this.#options.stop(asStop(error, 'Filling', this.#options.generation.view))
          break
        }
        if (!failing) this.#options.logger.warn('The view cannot be marked as filled; trying on', { cause: messageOf(error) })
        failing = true
      }
      await backoff.wait(signal)
    }
    this.#watching = undefined
  }

  /** Each shard by itself. @throws what the first of those said that couldn't be asked; a bug before all else */
  async #fill(): Promise<void> {
    const looks = await Promise.allSettled([...this.#missing].map(([shard, known]) => this.#look(shard, known)))
    const failed = looks.filter(look => look.status === 'rejected')
    const [first] = failed.toSorted((a, b) => Number(isAnswer(a.reason)) - Number(isAnswer(b.reason)))
    if (first !== undefined) throw first.reason
  }

  async #look(shard: string, known: Goal | undefined): Promise<void> {
    const opening = await this.#opening(shard)
    if (opening === undefined) return
    const goal = known?.opening === opening ? known : await this.#goal(opening)
    // Unless `opened` was told meanwhile that there is another opening.
    if (goal === undefined || this.#missing.get(shard) !== known) return
    this.#missing.set(shard, goal)
    const filled = await this.#admin.markFilled(shard, goal.opening, goal.ends)
    if (filled) failPoint('pipeline/filled')
    if (filled && this.#missing.get(shard) === goal) this.#missing.delete(shard)
  }

  /** Undefined where there is none: whoever folds finds that, and has the shard opened, or stops the view. */
  async #opening(shard: string): Promise<string | undefined> {
    try {
      return await this.#admin.opening(shard)
    } catch (error) {
      if (isLogfoldError(error, 'view-lost') || isLogfoldError(error, 'foreign-store')) return undefined
      throw error
    }
  }

  async #goal(opening: string): Promise<Goal | undefined> {
    const ends = await this.#endOffsets()
    return ends === undefined ? undefined : { opening, ends }
  }

  async #endOffsets(): Promise<readonly Offset[] | undefined> {
    const { log, topic } = this.#options
    return await ifAnswered(() => log.endOffsets(topic))
  }
}
