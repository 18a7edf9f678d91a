import { isLogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Batch, ShardOutcome } from '../../src/model/view-backend.ts'
import type { LazyThread } from './lazy-thread.ts'
import { type Packed, packOps } from './packing.ts'
import type { WriterFunctions } from './writer-thread.ts'

/** What one transaction takes at most beside its first batch; its pages have to fit the connection's cache. */
const GROUP_BYTES_MAX = 8 * 1024 * 1024

interface Waiting {
  readonly generation: Generation
  readonly batch: Batch
  /** Packed as they come: the thread would wait for it between two transactions. */
  readonly ops: Packed
  readonly resolve: (outcome: ShardOutcome) => void
  readonly reject: (error: unknown) => void
}

/**
 * Gives batches to the writing thread. What arrives while a transaction is under way shares the next one, as folds of several partitions do: ids stand in no order, so each batch touches a
 * large part of the index's pages, and together they write each page once. Each batch is compared with its own checkpoint all the same.
 */
export class ApplyQueue {
  readonly #thread: LazyThread<WriterFunctions>
  readonly #waiting: Waiting[] = []
  #running = false

  constructor(thread: LazyThread<WriterFunctions>) {
    this.#thread = thread
  }

  /** @throws what the thread throws for this batch */
  apply(generation: Generation, batch: Batch): Promise<ShardOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ generation, batch, ops: packOps(batch.ops), resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.length > 0) await this.#give(this.#take())
    this.#running = false
  }

  #take(): readonly Waiting[] {
    let bytes = 0
    const over = this.#waiting.findIndex(({ ops }, nth) => {
      bytes += ops.bytes.byteLength
      return nth > 0 && bytes > GROUP_BYTES_MAX
    })
    return this.#waiting.splice(0, over < 0 ? this.#waiting.length : over)
  }

  /** Where the data of one is refused, each is tried alone: packed once more, as what was packed has moved to the thread. */
  async #give(group: readonly Waiting[]): Promise<void> {
    const packed = group.map(({ generation, batch, ops }) => ({ generation, batch: { ...batch, ops } }))
    try {
      const outcomes = await this.#thread.call(
        'apply',
        [packed],
        packed.map(({ batch }) => batch.ops.bytes),
      )
      for (const [nth, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[nth]
        if (outcome === undefined) reject(new Error('The thread gave fewer outcomes than it got batches'))
        else resolve(outcome)
      }
    } catch (error) {
      if (group.length > 1 && isLogfoldError(error, 'store-refused'))
        for (const one of group) await this.#give([{ ...one, ops: packOps(one.batch.ops) }])
      else for (const { reject } of group) reject(error)
    }
  }
}
