import { isLogfoldError, messageOf } from '../model/errors.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import type { ViewAdmin, ViewBackend, ViewWriter } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'

/** A view that is being filled is looked at this often, so that it serves soon after it could. */
const LOOK_DELAY_MAX_MS = 400

interface FillingOptions {
  readonly log: Log
  readonly topic: Topic
  readonly backend: ViewBackend
  readonly logger: Logger
}

/**
 * Marks each shard as filled once it vouches for the end offsets seen when this process began to look (or when the shard was opened), over all partitions,
 * whoever folds them; and shows the generation to people once all shards are. Done by the worker that holds partition 0.
 */
export class Filling {
  readonly #options: FillingOptions
  readonly #writer: ViewWriter
  readonly #admin: ViewAdmin
  /** Shard → the end offsets it has yet to reach; undefined until the log has told them. */
  readonly #missing = new Map<string, readonly Offset[] | undefined>()
  #stopping = new AbortController()
  #watching: Promise<void> | undefined

  constructor(options: FillingOptions, writer: ViewWriter, admin: ViewAdmin) {
    this.#options = options
    this.#writer = writer
    this.#admin = admin
  }

  start(): void {
    for (const shard of this.#options.backend.shards) this.#missing.set(shard, undefined)
    this.#stopping = new AbortController()
    this.#watching ??= this.#watch()
  }

  /** The shard was opened: what it had is gone. */
  opened(shard: string): void {
    this.#missing.set(shard, undefined)
    if (!this.#stopping.signal.aborted) this.#watching ??= this.#watch()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#watching
  }

  async #watch(): Promise<void> {
    const signal = this.#stopping.signal
    const backoff = new Backoff(LOOK_DELAY_MAX_MS)
    while (!signal.aborted) {
      try {
        if (this.#missing.size === 0) {
          await this.#admin.serve()
          break
        }
        await this.#look()
      } catch (error) {
        if (isLogfoldError(error, 'closed')) break
        this.#options.logger.warn('A shard cannot be marked as filled, or the view not be shown; trying again', {
          cause: messageOf(error),
        })
      }
      if (this.#missing.size > 0) await backoff.wait(signal)
    }
    this.#watching = undefined
  }

  async #look(): Promise<void> {
    for (const [shard, ends] of this.#missing) {
      const goal = ends ?? (await this.#endOffsets())
      this.#missing.set(shard, goal)
      const answer = await this.#writer.checkpoints(shard)
      if (goal === undefined || answer.kind !== 'open') continue
      if (goal.some((end, partition) => (answer.checkpoints[partition]?.vouched ?? 0) < end)) continue
      await this.#admin.markFilled(shard)
      if (this.#missing.get(shard) === goal) this.#missing.delete(shard)
    }
  }

  async #endOffsets(): Promise<readonly Offset[] | undefined> {
    const { log, topic } = this.#options
    return log.endOffsets(topic).catch(() => undefined)
  }
}
