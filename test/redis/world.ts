import { Redis } from 'ioredis'
import type { RedisConfig } from '../../backends/redis/config.ts'
import redis from '../../backends/redis/index.ts'
import { type Exclusive, Shard, type Shards } from '../../backends/redis/shard.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, markFilled, set } from '../contract/backend/folding.ts'
import { quiet } from '../support/quiet.ts'

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

/** A shard `a` of which each request of an exclusive connection is first told, from 0 on: what is thrown is thrown instead of sending it. */
export class HookedShard extends Shard {
  beforeSending: (nth: number) => unknown = () => undefined

  constructor(address: string) {
    const [host = '', port] = address.split(':')
    super('a', { where: 'Shard a', host, port: Number(port), db: 0, username: undefined, password: undefined, tls: undefined }, quiet)
  }

  get shards(): Shards {
    return { all: [this], shard: () => this, owner: () => this.name }
  }

  override async exclusive<T>(work: (connection: Exclusive) => Promise<T>): Promise<T> {
    let sent = 0
    return await super.exclusive(connection =>
      work({
        large: connection.large,
        send: async request => {
          await this.beforeSending(sent++)
          return await connection.send(request)
        },
      }),
    )
  }
}

/** Opens a generation on every shard, folds these ids with their own names as values, and marks it filled. */
export async function fillWith(backend: ViewBackend, generation: Generation, ids: readonly string[]): Promise<void> {
  const admin = backend.admin(generation)
  for (const shard of backend.shards) {
    await admin.open(shard)
    const ops = ids.filter(id => backend.owner(id) === shard).map(id => set(id, JSON.stringify(id)))
    const outcome = await backend.writer(generation).apply(shard, batch(0, 0, ids.length, ops))
    if (outcome.kind !== 'applied') throw new Error(`The batch was not applied: ${outcome.kind}`, { cause: outcome })
    await markFilled(admin, shard)
  }
}
