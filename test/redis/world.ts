import { afterAll, afterEach, beforeAll } from 'vitest'
import type { RedisConfig } from '../../backends/redis/config.ts'
import redis from '../../backends/redis/index.ts'
import { type Exclusive, Shard, type Shards } from '../../backends/redis/shard.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { CommandPlace, ViewBackend } from '../../src/model/view-backend.ts'
import { batch, markFilled, set } from '../contract/backend/folding.ts'
import { type RedisOptions, type RedisServer, type RedisServers, startRedis } from '../services/redis.ts'
import { quiet } from '../support/quiet.ts'
import { command } from '../support/redis-command.ts'

/** @param addresses `host:port` by shard name */
export const configOf = (addresses: Readonly<Record<string, string>>, more: Partial<RedisConfig> = {}): RedisConfig => ({
  shards: Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, `redis://${address}`])),
  keyPrefix: '',
  ...more,
})

/** @param shards all that the config has, unless told otherwise */
export const connect = (config: RedisConfig, logger = quiet, shards = redis.shards(config)): Promise<ViewBackend> =>
  redis.connect(config, { name: 'ring', dataDir: '.', logger, shards })

export const flush = (address: string): Promise<unknown> => command(address, 'FLUSHALL')

interface UsedRedis {
  server(nth?: number): RedisServer
  address(nth?: number): string
  /** As `command`, of the first server. */
  ask(name: string, ...args: readonly (string | Buffer)[]): Promise<unknown>
  /** A backend that is closed when its test has ended; of the first server alone, unless told otherwise. */
  open(config?: RedisConfig, shards?: readonly string[]): Promise<ViewBackend>
}

/** Servers that a block of tests has for itself: emptied after each test, gone after the last. */
export function useRedis(options: RedisOptions = {}): UsedRedis {
  let started: RedisServers
  const backends: ViewBackend[] = []
  beforeAll(async () => {
    started = await startRedis(options)
  })
  afterEach(async () => {
    for (const backend of backends.splice(0)) await backend.close()
    for (const { address } of started.servers) await flush(address)
  })
  afterAll(() => started.dispose())

  const server = (nth = 0): RedisServer => {
    const found = started.servers[nth]
    if (found === undefined) throw new Error(`There is no server ${nth}`)
    return found
  }
  const address = (nth = 0): string => server(nth).address
  return {
    server,
    address,
    ask: (name, ...args) => command(address(), name, ...args),
    async open(config = configOf({ a: address() }), shards = redis.shards(config)) {
      const backend = await connect(config, quiet, shards)
      backends.push(backend)
      return backend
    },
  }
}

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

export const command1: CommandPlace = { topicId: 'control', offset: 1 }
export const command2: CommandPlace = { topicId: 'control', offset: 2 }

/** Has a generation served on every shard. */
export async function serveAll(backend: ViewBackend, generation: Generation, since = command1): Promise<void> {
  for (const shard of backend.shards) {
    const outcome = await backend.admin(generation).serve(shard, since)
    if (outcome !== 'shown') throw new Error(`It does not serve: ${outcome}`)
  }
}

/** Drops a generation on every shard. */
export async function dropAll(backend: ViewBackend, generation: Generation): Promise<void> {
  for (const shard of backend.shards) await backend.admin(generation).drop(shard)
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
