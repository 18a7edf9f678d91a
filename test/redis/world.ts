import { Redis } from 'ioredis'
import type { RedisConfig } from '../../backends/redis/config.ts'
import redis from '../../backends/redis/index.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Generation, ViewBackend } from '../../src/model/view-backend.ts'
import { batch, set } from '../contract/backend/folding.ts'

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }

/** @param addresses `host:port` by shard name */
export const configOf = (addresses: Readonly<Record<string, string>>, more: Partial<RedisConfig> = {}): RedisConfig => ({
  shards: Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, `redis://${address}`])),
  keyPrefix: '',
  ...more,
})

export const connect = (config: RedisConfig, logger = quiet): Promise<ViewBackend> => redis.connect(config, { name: 'ring', dataDir: '.', logger })

/** Runs one command on a server, as another client would, and gives its answer as text or lists of it. */
export async function command(address: string, name: string, ...args: readonly (string | Buffer)[]): Promise<unknown> {
  const client = new Redis(`redis://${address}`, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.call(name, [...args])
  } finally {
    client.disconnect()
  }
}

export const flush = (address: string): Promise<unknown> => command(address, 'FLUSHALL')

/** Opens a generation on every shard, folds these ids with their own names as values, and marks it filled. */
export async function fillWith(backend: ViewBackend, generation: Generation, ids: readonly string[]): Promise<void> {
  const admin = backend.admin(generation)
  for (const shard of backend.shards) {
    await admin.open(shard)
    const ops = ids.filter(id => backend.owner(id) === shard).map(id => set(id, JSON.stringify(id)))
    const outcome = await backend.writer(generation).apply(shard, batch(0, 0, ids.length, ops))
    if (outcome.kind !== 'applied') throw new Error(`The batch was not applied: ${outcome.kind}`, { cause: outcome })
    await admin.markFilled(shard, [])
  }
}
