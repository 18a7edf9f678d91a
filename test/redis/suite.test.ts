import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import redis from '../../backends/redis/index.ts'
import { backendSuite, type Store } from '../contract/backend-suite.ts'
import { type RedisServers, startRedis } from '../services/redis.ts'
import { flush } from './world.ts'

const NAMES = ['a', 'b', 'c']

/** The contract on servers of these tests' own, so that they may be flushed and frozen. A set of ids where the suite asks for no order, a sorted set where it does. */
for (const { shards, keyPrefix } of [
  { shards: 1, keyPrefix: '' },
  { shards: 3, keyPrefix: '' },
  { shards: 3, keyPrefix: 'täst*[x]?\\:' },
]) {
  describe(`${shards} shards, keyPrefix ${JSON.stringify(keyPrefix)}`, () => {
    let servers: RedisServers
    beforeAll(async () => {
      servers = await startRedis({ servers: shards })
    })
    afterAll(() => servers.dispose())

    const serverOf = (shard: string) => {
      const server = servers.servers[NAMES.indexOf(shard)]
      if (server === undefined) throw new Error(`There is no shard ${shard}`)
      return server
    }

    backendSuite(
      { describe, it },
      {
        module: redis,
        config: () => ({
          shards: Object.fromEntries(servers.servers.map(({ address }, at) => [NAMES[at], `redis://${address}`])),
          keyPrefix: keyPrefix === '' ? '' : `${keyPrefix}${randomUUID()}:`,
        }),
        cleanUp: async store => {
          for (const shard of store.shards) await flush(serverOf(shard).address)
        },
        lose: async (_store: Store, shard: string) => flush(serverOf(shard).address),
        cutOff: (_store: Store, shard: string) => {
          const server = serverOf(shard)
          server.freeze()
          return () => server.thaw()
        },
      },
    )
  })
}
