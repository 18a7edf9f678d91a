import { LogfoldError } from '../../src/model/errors.ts'
import type { Shard } from './shard.ts'

/** A pause that a test ends. */
export interface Hold {
  /** Settles when an operation has arrived at the shard and waits. */
  readonly reached: Promise<void>
  release(): void
}

/** What a test may do to one shard, so that what uses a backend meets each of a shard's answers. */
export class ShardFaults {
  /** The shard doesn't answer, and does nothing, while this is true. */
  away = false
  /** So many batches yet are applied, and their answer is lost on the way: `unavailable`, although the work is done. */
  answersToLose = 0
  /** The shard takes no ops while this is true. It takes batches without ops. */
  refuses = false
  /** Takes all data away, of every generation, as a flush or an empty server in its place does. */
  readonly lose: () => void
  /** Keeps all data as it is now. Returns what brings it back, as a restored backup does. */
  readonly backUp: () => () => void
  #hold: { readonly arrived: () => void; readonly released: Promise<void>; readonly release: () => void } | undefined

  constructor(shard: Shard) {
    this.lose = () => shard.clear()
    this.backUp = () => shard.backUp()
  }

  /** Every operation that reaches the shard from now on waits until `release`; `close` releases it, too. One hold at a time. */
  hold(): Hold {
    if (this.#hold !== undefined) throw new Error('The shard is held already')
    const reached = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    this.#hold = { arrived: reached.resolve, released: released.promise, release: released.resolve }
    return { reached: reached.promise, release: () => this.release() }
  }

  release(): void {
    this.#hold?.release()
    this.#hold = undefined
  }

  /** What every operation passes through before it does anything. @throws view-unavailable */
  async enter(shard: string): Promise<void> {
    this.#hold?.arrived()
    await this.#hold?.released
    if (this.away) throw new LogfoldError('view-unavailable', `Shard ${shard} does not answer`)
  }
}
