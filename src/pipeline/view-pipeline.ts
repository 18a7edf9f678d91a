import type { Metrics } from '../metrics/metrics.ts'
import { orAborted } from '../model/bounded.ts'
import { isAnswer, isLogfoldError, type LogfoldError, messageOf } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Log, Membership, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { ViewBackend } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'
import type { DeadLetters } from './dead-letters.ts'
import { Filling } from './filling.ts'
import type { FoldRules } from './fold.ts'
import type { FoldContext } from './fold-context.ts'
import { type MayOpen, Openings } from './openings.ts'
import { type Clock, realClock } from './pace.ts'
import { PartitionFold } from './partition-fold.ts'
import { type PartitionStatus, Report, type ShardStatus } from './report.ts'
import { ShardChecks } from './shard-checks.ts'
import { type Steer, Steering } from './steering.ts'
import { asStop } from './stops.ts'

export interface PipelineOptions {
  readonly log: Log
  readonly topic: Topic
  readonly generation: Generation
  readonly backend: ViewBackend
  readonly rules: FoldRules
  readonly deadLetters: DeadLetters
  /** The group that folds this generation. */
  readonly group: string
  readonly metrics: Metrics
  readonly logger: Logger
  readonly applied: (shard: string) => void
  readonly mayOpen: MayOpen
  /** The view is stopped for safety, with the reason and the remedy, which are yet to be logged. Called once. */
  readonly stopped: (error: LogfoldError) => void
  /** Membership of the group is gone for good. */
  readonly failed: (error: Error) => void
  /** By which `steer`'s rate goes. */
  readonly clock?: Clock
}

export interface PipelineStatus {
  readonly partitions: readonly PartitionStatus[]
  readonly shards: readonly ShardStatus[]
  readonly paused: boolean
}

/** Folds one generation of one view, in this process's share of the partitions. */
export class ViewPipeline {
  readonly #options: PipelineOptions
  readonly #report: Report
  readonly #steering: Steering
  readonly #context: FoldContext
  readonly #folds = new Map<number, PartitionFold>()
  readonly #filling: Filling
  readonly #checks: ShardChecks
  readonly #stopping = new AbortController()
  #membership: Membership | undefined
  #checking: Promise<void> | undefined
  /** Assignments and revocations, one after another. */
  #changes: Promise<void> = Promise.resolve()
  #learning: Promise<void> = Promise.resolve()

  constructor(options: PipelineOptions) {
    const { backend, generation, metrics, logger } = options
    this.#options = options
    this.#report = new Report(metrics, logger, generation, backend.shards)
    this.#steering = new Steering(options.clock ?? realClock)
    const admin = backend.admin(generation)
    const writer = backend.writer(generation)
    this.#filling = new Filling({ ...options, stop: error => this.#stop(error) }, admin)
    const isOpener = (): boolean => this.#folds.has(0)
    const opened = (shard: string): void => this.#filling.opened(shard)
    const openings = new Openings({ ...options, admin, writer, report: this.#report, isOpener, opened }, this.#stopping.signal)
    this.#context = {
      ...options,
      writer,
      report: this.#report,
      steering: this.#steering,
      openings: shard => openings.count(shard),
      reopen: (shard, anew, count) => openings.reopen(shard, anew, count),
      stop: error => this.#stop(error),
    }
    this.#checks = new ShardChecks(this.#context, this.#folds, this.#filling, this.#stopping.signal)
  }

  /** Joins the group; settles when that is done or the log has said no. */
  async start(): Promise<void> {
    const { log, group, topic, deadLetters, failed } = this.#options
    // A letter known already must not be written, or resolved, a second time.
    const { signal } = this.#stopping
    await orAborted(deadLetters.caughtUp(), signal).catch(error => {
      if (!signal.aborted) throw error
    })
    if (signal.aborted) return
    this.#membership = await log.join(group, topic, {
      assigned: partitions => this.#change(() => this.#assigned(partitions)),
      revoked: partitions => this.#change(() => this.#revoked(partitions)),
      failed,
    })
    // Told to stop meanwhile: nobody else gives the membership back.
    if (this.#stopping.signal.aborted) return await this.#membership.leave()
    this.#checking = this.#checks.run()
  }

  /** Settles when the batches under way have ended; nothing is written afterwards. May be repeated. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    // Beside each other, as each may wait for a store or a log that doesn't answer.
    await Promise.all([this.#checking, this.#learning, this.#filling.stop(), this.#membership?.leave()])
    await this.#changes
    await this.#revoked([...this.#folds.keys()])
  }

  /**
   * At any time, and at once. While it is paused, no stretch is fetched or applied after those under way; checkpoints stand, the membership stays,
   * and the shards are watched. What goes on behind a pause may find that deletes were missed meanwhile.
   */
  steer(steer: Steer): void {
    // Said again, it mustn't hide a partition that stands still.
    if (this.#steering.steer(steer)) this.#report.steered()
  }

  /** Why this worker isn't ready; undefined when it is. */
  unready(): string | undefined {
    return this.#steering.paused ? 'it is paused' : this.#report.unready()
  }

  status(): PipelineStatus {
    return { partitions: this.#report.partitions(), shards: this.#report.shards(), paused: this.#steering.paused }
  }

  #change(work: () => Promise<void>): Promise<void> {
    this.#changes = this.#changes.then(work)
    return this.#changes
  }

  async #assigned(partitions: readonly number[]): Promise<void> {
    if (this.#stopping.signal.aborted) return
    if (partitions.includes(0)) this.#filling.start()
    for (const partition of partitions) {
      this.#report.assigned(partition)
      this.#folds.set(partition, new PartitionFold(this.#context, partition))
    }
    this.#options.logger.info('Folding', { partitions: partitions.length })
    // Beside the folds: one partition that nobody leads must not keep the others from being folded.
    this.#learning = this.#learning.then(() => this.#learnEnds(partitions))
  }

  async #revoked(partitions: readonly number[]): Promise<void> {
    if (partitions.includes(0)) await this.#filling.stop()
    await Promise.all(
      partitions.map(async partition => {
        await this.#folds.get(partition)?.stop()
        this.#folds.delete(partition)
        this.#report.revoked(partition)
      }),
    )
  }

  /** Readiness goes by where the partitions ended when they were assigned. What else is wrong with the topic, the folds tell. */
  async #learnEnds(partitions: readonly number[]): Promise<void> {
    const backoff = new Backoff()
    while (!this.#stopping.signal.aborted) {
      try {
        const ends = await this.#options.log.endOffsets(this.#options.topic)
        for (const partition of partitions) this.#report.ends(partition, ends[partition] ?? 0)
        return
      } catch (error) {
        if (isLogfoldError(error, 'closed')) return
        if (!isAnswer(error)) return this.#stop(asStop(error, 'The end offsets', this.#options.generation.view))
        if (backoff.tries === 0) this.#options.logger.warn('The log does not tell its end offsets; trying on', { cause: messageOf(error) })
        await backoff.wait(this.#stopping.signal)
      }
    }
  }

  #stop(error: LogfoldError): void {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort()
    this.#options.stopped(error)
    void this.stop()
  }
}
