import { messageOf } from '../../model/errors.ts'
import type { Logger } from '../../model/logger.ts'
import type { Thread } from '../../sqlite/thread.ts'
import type { CompactionReport } from './compaction.ts'
import type { WriterFunctions } from './writer-thread.ts'

/**
 * A partition with nothing new is gone over for its tombstones this much later than it could be, as a part of
 * the retention, and so at most that often.
 */
const TOMBSTONE_SLACK = 0.1

export interface CompactionTuning {
  /** How often partitions are looked at. Milliseconds. */
  readonly intervalMs: number
  /** A partition is compacted when so much was appended to it since the last time, in bytes and as a part of what it holds. */
  readonly dirtyBytesMin: number
  readonly dirtyRatioMin: number
  /** Memory of a pass, in bytes. Where the keys need more, it takes several rounds over the partition. */
  readonly mapBytesMax: number
}

/** So a log takes at most twice the room of what it keeps, and a mebibyte a partition. The interval and the ratio are Kafka's. */
export const defaultTuning: CompactionTuning = {
  intervalMs: 15_000,
  dirtyBytesMin: 1024 * 1024,
  dirtyRatioMin: 0.5,
  mapBytesMax: 16 * 1024 * 1024,
}

export interface CompactorOptions {
  readonly thread: Thread<WriterFunctions>
  readonly tuning: CompactionTuning
  readonly deleteRetentionMs: number
  readonly nowMs: () => number
  /** Whether this process is the one that compacts. */
  readonly mayCompact: () => boolean
  readonly logger: Logger
}

/** Runs compaction in the background, one pass at a time. */
export class Compactor {
  readonly #options: CompactorOptions
  readonly #timer: NodeJS.Timeout
  #last: Promise<unknown> = Promise.resolve()
  #looking: Promise<void> | undefined
  #closed = false

  constructor(options: CompactorOptions) {
    this.#options = options
    this.#timer = setInterval(() => {
      // A pass may take longer than the interval.
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined
      })
    }, options.tuning.intervalMs)
    this.#timer.unref()
  }

  /** A pass over these partitions, whether they need one or not. */
  run(numbers: readonly number[], goOn: () => boolean = () => true): Promise<CompactionReport> {
    const result = this.#last.then(() => this.#passes(numbers, goOn))
    this.#last = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#looking
    await this.#last
  }

  async #look(): Promise<void> {
    const { mayCompact, thread, tuning, nowMs, deleteRetentionMs, logger } = this.#options
    if (!mayCompact()) return
    const stampedBeforeMs = nowMs() - deleteRetentionMs * (1 + TOMBSTONE_SLACK)
    try {
      const numbers = await thread.call('dirtyPartitions', [tuning.dirtyBytesMin, tuning.dirtyRatioMin, stampedBeforeMs])
      if (numbers.length > 0) await this.run(numbers, mayCompact)
    } catch (error) {
      logger.warn('Compaction failed; it is tried again', { cause: messageOf(error) })
    }
  }

  async #passes(numbers: readonly number[], goOn: () => boolean): Promise<CompactionReport> {
    let sum: CompactionReport = { recordsRemoved: 0, bytesRemoved: 0, tombstonesExpired: 0 }
    for (const number of numbers) {
      const report = await this.#pass(number, goOn)
      if (report === undefined) break
      sum = add(sum, report)
    }
    if (sum.recordsRemoved > 0) this.#options.logger.debug('Compacted the log', { ...sum, partitions: numbers.length })
    return sum
  }

  /** Undefined when it was stopped. */
  async #pass(number: number, goOn: () => boolean): Promise<CompactionReport | undefined> {
    const { thread, tuning, nowMs, deleteRetentionMs } = this.#options
    const { mapBytesMax } = tuning
    await thread.call('beginCompaction', [{ number, nowMs: nowMs(), deleteRetentionMs, mapBytesMax }])
    while (!this.#closed && goOn()) {
      const report = await thread.call('stepCompaction', [])
      if (report !== undefined) return report
    }
    await thread.call('endCompaction', [])
    return undefined
  }
}

const add = (a: CompactionReport, b: CompactionReport): CompactionReport => ({
  recordsRemoved: a.recordsRemoved + b.recordsRemoved,
  bytesRemoved: a.bytesRemoved + b.bytesRemoved,
  tombstonesExpired: a.tombstonesExpired + b.tombstonesExpired,
})
