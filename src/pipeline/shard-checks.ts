import { ifAnswered, isLogfoldError, messageOf } from '../model/errors.ts'
import { pause } from '../model/pause.ts'
import type { Checkpoint } from '../model/view-backend.ts'
import type { Filling } from './filling.ts'
import type { FoldContext } from './fold-context.ts'
import type { PartitionFold } from './partition-fold.ts'
import { asStop } from './stops.ts'

/** How often a shard is asked whether it still has its data, so that a loss is noticed where no record comes. */
const CHECK_DELAY_MS = 1_000
/** How often a worker that may open shards looks for missing deletes in partitions that others fold. */
const SUSPECT_DELAY_MS = 15_000

/** Why a shard that answers takes no batch. */
export const NOT_OPEN = { lost: 'it does not hold this view, or no longer; it is folded from the start', foreign: 'it holds something else' } as const

/** Looks each second whether the shards still hold what this process has folded into them. */
export class ShardChecks {
  readonly #context: FoldContext
  readonly #folds: ReadonlyMap<number, PartitionFold>
  readonly #filling: Filling
  readonly #signal: AbortSignal
  /** Shard → when the checkpoints of others' partitions were last looked at for missing deletes. */
  readonly #suspectedMs = new Map<string, number>()

  constructor(context: FoldContext, folds: ReadonlyMap<number, PartitionFold>, filling: Filling, signal: AbortSignal) {
    this.#context = context
    this.#folds = folds
    this.#filling = filling
    this.#signal = signal
  }

  /** Settles, and never rejects, once the signal has ended it. Each shard by itself, so that one that hangs hides no other's loss. */
  async run(): Promise<void> {
    await Promise.all(this.#context.backend.shards.map(shard => this.#watch(shard)))
  }

  async #watch(shard: string): Promise<void> {
    try {
      while (!this.#signal.aborted) {
        await pause(CHECK_DELAY_MS, this.#signal)
        if (!this.#signal.aborted) await this.#check(shard)
      }
    } catch (error) {
      if (!isLogfoldError(error, 'closed')) this.#context.stop(asStop(error, `Shard ${shard}`, this.#context.generation.view))
    }
  }

  async #check(shard: string): Promise<void> {
    const { report, writer } = this.#context
    // Taken before the question, so that an answer below them means a step back, however the fold goes on meanwhile.
    const openings = this.#context.openings(shard)
    const written = [...this.#folds].map(([partition, fold]) => [partition, fold, fold.written(shard)] as const)
    const answer = await writer.checkpoints(shard)
    if (answer.kind !== 'open') {
      report.waiting(shard, answer.kind === 'unavailable' ? messageOf(answer.cause) : NOT_OPEN[answer.kind])
      for (const fold of this.#folds.values()) fold.doubt(shard)
      return
    }
    // Whoever folds a partition says so himself, once the shard has taken a batch.
    if (this.#folds.size === 0) report.up(shard)
    for (const [partition, fold, before] of written) {
      const found = answer.checkpoints[partition]
      if (before === undefined || found === undefined) continue
      if (found.position > before.position || (found.position === before.position && found.vouched >= before.vouched)) continue
      this.#context.logger.warn('A shard came back with an older state; it catches up', {
        shard,
        partition,
        written: before.position,
        found: found.position,
      })
      fold.doubt(shard)
    }
    if (!this.#folds.has(0)) return
    await this.#filling.check(shard)
    await this.#suspectOthers(shard, answer.checkpoints, openings)
  }

  /** Whoever folds a partition notices deletes that it missed, but only this worker may empty the shard. */
  async #suspectOthers(shard: string, checkpoints: readonly Checkpoint[], openings: number): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - (this.#suspectedMs.get(shard) ?? Number.NEGATIVE_INFINITY) < SUSPECT_DELAY_MS) return
    this.#suspectedMs.set(shard, nowMs)
    const { log, topic } = this.#context
    for (const [partition, checkpoint] of checkpoints.entries()) {
      if (this.#signal.aborted) return
      if (this.#folds.has(partition)) continue
      // A log that is away tells nothing, of the next partition neither; a later look asks again.
      const missing = await ifAnswered(() => log.missingDeletes(topic, partition, checkpoint))
      if (missing === undefined) return
      if (missing === 'possible') await this.#context.reopen(shard, true, openings)
    }
  }
}
