import { MemoryBackend } from '../../backends/memory/backend.ts'
import memory from '../../backends/memory/index.ts'
import type { BackendConfig } from '../../src/config/config.ts'
import type { Capacity } from '../../src/model/view-backend.ts'

/** Memory shards as a server has them: they outlive a connection, so that several may have it. */
export class SharedBackend extends MemoryBackend {
  readonly capacities = new Map<string, Capacity>()
  /** Connections that were closed. */
  closed = 0

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
