import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import memory from '../backends/memory/index.ts'
import sqlite from '../backends/sqlite/index.ts'
import { backendSuite, type Store } from './contract/backend-suite.ts'

function faultsOf(store: Store, shard: string) {
  if (store.backend instanceof MemoryBackend) return store.backend.faults(shard)
  throw new Error('Only a memory backend has fault hooks')
}

const memoryFaults = {
  lose: (store: Store, shard: string) => faultsOf(store, shard).lose(),
  cutOff(store: Store, shard: string) {
    faultsOf(store, shard).away = true
    return () => {
      faultsOf(store, shard).away = false
    }
  },
}

describe('memory, one shard', () => {
  backendSuite({ describe, it }, { module: memory, config: () => ({}), ...memoryFaults })
})

describe('memory, three shards', () => {
  backendSuite({ describe, it }, { module: memory, config: () => ({ shards: ['a', 'b', 'c'] }), ...memoryFaults })
})

describe('a backend whose order must be requested', () => {
  const module = { ...memory, traits: { durable: false, order: 'requested' } } as const
  backendSuite({ describe, it }, { module, config: () => ({ shards: ['a', 'b'] }), ...memoryFaults })
})

describe('SQLite', () => {
  backendSuite(
    { describe, it },
    {
      module: sqlite,
      config: () => ({}),
      lose: store => {
        for (const suffix of ['', '-wal', '-shm']) rmSync(join(store.dataDir, `views.sqlite${suffix}`), { force: true })
      },
    },
  )
})
