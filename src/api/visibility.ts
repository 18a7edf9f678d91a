import type { Serving, View } from '../generations/view.ts'
import { isLogfoldError } from '../model/errors.ts'
import type { Offset } from '../model/record.ts'
import type { ViewReader } from '../model/view-backend.ts'
import { type Pace, ShardWatch, type Target } from './shard-watch.ts'

/** Tells when the serving stores of one view have folded certain records. All that wait for a shard share one question to it at a time. */
export class Visibility {
  readonly #watches = new Map<string, { readonly reader: ViewReader; readonly watch: ShardWatch }>()
  readonly #unsubscribe: () => void
  #closed = false

  constructor(view: View) {
    this.#unsubscribe = view.onApplied(shard => {
      this.#watches.get(shard)?.watch.hint()
    })
  }

  /**
   * Whether the shard vouches for all targets within `waitMs`. False at once after `close`.
   * @throws what the store throws, view-unavailable and view-lost among them
   */
  async reached(serving: Serving, shard: string, targets: readonly Target[], waitMs: number, pace: Pace = 'fast'): Promise<boolean> {
    if (this.#closed) return false
    return this.#watch(serving, shard).wait(targets, waitMs, pace)
  }

  /** One shard's vouched positions, as of now. @throws what the store throws */
  async vouched(serving: Serving, shard: string): Promise<readonly Offset[]> {
    const vouched = await doubting(serving, () => serving.reader.vouched(shard))
    serving.saw(shard, vouched)
    return vouched
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    for (const { watch } of this.#watches.values()) watch.close()
  }

  /** Once another generation serves, those that wait for the old one wait on, without hints. */
  #watch(serving: Serving, shard: string): ShardWatch {
    const known = this.#watches.get(shard)
    if (known?.reader === serving.reader) return known.watch
    const watch = new ShardWatch(() => this.vouched(serving, shard))
    this.#watches.set(shard, { reader: serving.reader, watch })
    return watch
  }
}

const DOUBTFUL = ['view-lost', 'foreign-store', 'view-folding', 'view-unavailable'] as const

/** Reads from a store; where it can't answer, its shards are looked at again. @throws the error to be told */
export async function doubting<T>(serving: Serving, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw isLogfoldError(error) && DOUBTFUL.some(code => code === error.code) ? serving.doubt(error) : error
  }
}
