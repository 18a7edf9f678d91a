import { MemoryBackend } from '../../backends/memory/backend.ts'
import memory from '../../backends/memory/index.ts'
import { MemoryAdmin } from '../../backends/memory/operations.ts'
import type { BackendConfig } from '../../src/config/config.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Capacity, CommandPlace, Marks } from '../../src/model/view-backend.ts'

/** What people look at, which memory has none of: the generation that was shown last. */
class ShowingAdmin extends MemoryAdmin {
  readonly #shown: Map<string, string>
  readonly #uid: string

  constructor(backend: SharedBackend, generation: Generation) {
    super(backend, generation)
    this.#shown = backend.shown
    this.#uid = generation.uid
  }

  override async serve(shard: string, since: CommandPlace): Promise<'shown' | 'outdated'> {
    const outcome = await super.serve(shard, since)
    if (outcome === 'shown') this.#shown.set(shard, this.#uid)
    return outcome
  }

  override async marks(shard: string): Promise<Marks> {
    return { ...(await super.marks(shard)), shown: this.#shown.get(shard) === this.#uid }
  }
}

/** Memory shards as a server has them: they outlive a connection, so that several may have it. */
export class SharedBackend extends MemoryBackend {
  readonly capacities = new Map<string, Capacity>()
  /** Shard → uid of what people see there. */
  readonly shown = new Map<string, string>()
  /** Connections that were closed. */
  closed = 0

  override admin(generation: Generation): MemoryAdmin {
    return new ShowingAdmin(this, generation)
  }

  override async capacity(shard: string): Promise<Capacity | undefined> {
    await this.enter(shard)
    return this.capacities.get(shard)
  }

  override async close(): Promise<void> {
    this.closed++
  }
}

/** As the config has it: its shards, and what stands there for whoever connects to some of them. */
export const sharedConfig = (name: string, shards: readonly string[], storeOf: (shards: readonly string[]) => SharedBackend): BackendConfig => ({
  name,
  kind: 'memory',
  config: { shards },
  module: { ...memory, shards: () => shards, connect: async (_, { shards: wanted }) => storeOf(wanted) },
})
