import { crc32 } from 'node:zlib'
import { LogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Capacity, ViewBackend } from '../../src/model/view-backend.ts'
import { ShardFaults } from './faults.ts'
import { MemoryAdmin, MemoryReader, MemoryWriter, type Reached, type Shards } from './operations.ts'
import { Shard } from './shard.ts'

/** The reference backend: simple rather than fast. `faults` is for tests. */
export class MemoryBackend implements ViewBackend, Shards {
  readonly shards: readonly string[]
  /** The order in which a config names its shards must not move an entry. */
  readonly #sorted: readonly string[]
  readonly #reached = new Map<string, Reached>()
  #closed = false

  constructor(shards: readonly string[]) {
    this.shards = shards
    this.#sorted = shards.toSorted()
    for (const name of shards) {
      const shard = new Shard(name)
      this.#reached.set(name, { shard, faults: new ShardFaults(shard) })
    }
  }

  owner(id: string): string {
    const shard = this.#sorted[crc32(id) % this.#sorted.length]
    if (shard === undefined) throw new LogfoldError('internal', 'A memory backend has no shards')
    return shard
  }

  reader(generation: Generation): MemoryReader {
    return new MemoryReader(this, generation)
  }

  writer(generation: Generation): MemoryWriter {
    return new MemoryWriter(this, generation)
  }

  admin(generation: Generation): MemoryAdmin {
    return new MemoryAdmin(this, generation)
  }

  async ping(shard: string): Promise<Error | undefined> {
    try {
      await this.enter(shard)
      return undefined
    } catch (error) {
      if (this.#closed || !(error instanceof Error)) throw error
      return error
    }
  }

  /** Memory of the process, of which it has no share of its own. */
  async capacity(shard: string): Promise<Capacity | undefined> {
    await this.enter(shard)
    return undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { faults } of this.#reached.values()) faults.release()
  }

  /** What a test may do to a shard. */
  faults(shard: string): ShardFaults {
    return this.#find(shard).faults
  }

  /** The way of every operation to a shard. @throws closed, view-unavailable */
  async enter(shard: string): Promise<Reached> {
    const found = this.#find(shard)
    this.assertOpen()
    await found.faults.enter(shard)
    this.assertOpen()
    return found
  }

  /** @throws closed */
  assertOpen(): void {
    if (this.#closed) throw new LogfoldError('closed', 'The memory backend was closed')
  }

  #find(shard: string): Reached {
    const found = this.#reached.get(shard)
    if (found === undefined) throw new LogfoldError('internal', `There is no shard ${shard}; there are ${this.shards.join(', ')}`)
    return found
  }
}
