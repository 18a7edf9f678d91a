import type { BackendModule } from '../../src/model/backend-module.ts'
import { MemoryBackend } from './backend.ts'
import { type MemoryConfig, memoryConfig } from './config.ts'

/** Views in this process's memory: the reference for the contract, and for trying things out. All is gone when the process ends. */
const memory: BackendModule<MemoryConfig> = {
  kind: 'memory',
  traits: { durable: false, order: 'always' },
  config: memoryConfig,
  shards: config => config.shards,
  connect: async (_, { shards }) => new MemoryBackend(shards),
}

export default memory
