import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Batch } from '../../src/model/view-backend.ts'
import { type RedisServers, startRedis } from '../services/redis.ts'
import { runHistories, type System, sqliteSystem } from '../support/backend-histories.ts'
import { command } from '../support/redis-command.ts'
import { configOf, connect } from './world.ts'

/** The same histories, from the same seed, on one server, on three, and in SQLite. */
describe('histories', () => {
  let servers: RedisServers
  beforeAll(async () => {
    servers = await startRedis({ servers: 3 })
  })
  afterAll(() => servers.dispose())

  async function redisSystem(names: readonly string[], keyPrefix: string): Promise<System> {
    const config = configOf(Object.fromEntries(names.map((name, at) => [name, servers.servers[at]?.address ?? ''])), { keyPrefix })
    const system: System = {
      backend: await connect(config),
      async reopen() {
        await system.backend.close()
        system.backend = await connect(config)
      },
      async crash(parts: ReadonlyMap<string, Batch>, generation) {
        const underWay = [...parts].map(([shard, part]) => system.backend.writer(generation).apply(shard, part))
        await new Promise(resolve => setTimeout(resolve, Math.random() * 3))
        await Promise.allSettled([system.backend.close(), ...underWay])
        system.backend = await connect(config)
      },
    }
    return system
  }

  it('of batches, faults and new starts give the same answers on one Redis, on three, in SQLite and in a plain map', {
    timeout: 300_000,
  }, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'logfold-redis-property-'))
    const systems = [await redisSystem(['main'], ''), await redisSystem(['a', 'b', 'c'], 'ring:'), await sqliteSystem(dataDir)]
    try {
      await runHistories(systems, { numRuns: 40 })
    } finally {
      for (const { backend } of systems) await backend.close()
      rmSync(dataDir, { recursive: true, force: true })
    }
    // All generations were dropped, and drop leaves nothing behind but the fence.
    for (const { address } of servers.servers) {
      expect(((await command(address, 'KEYS', '*')) as string[]).filter(key => !key.endsWith('job/fence'))).toEqual([])
    }
  })
})
