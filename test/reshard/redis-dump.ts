import { Redis } from 'ioredis'
import { Ring } from '../../backends/redis/ring.ts'
import { PARTITIONS, RINGS, type Servers } from './servers.ts'
import type { Dump, Serving } from './stores.ts'
import { VIEW } from './world.ts'

const SCAN_COUNT = 5_000
const CHUNK_KEYS = 2_000
const FENCE = `${VIEW}/fence`

/** Reads every key of every server: each id has to stand on the shard that the ring names, and on no other, and nothing else may stand anywhere but the fence. */
export async function dumpRedis({ redis }: Servers, { backend, generation }: Serving): Promise<Dump> {
  const shards = RINGS[backend] ?? {}
  const ring = Object.keys(shards).length === 0 ? undefined : new Ring(Object.keys(shards))
  const shardByServer = new Map(Object.entries(shards).map(([shard, nth]) => [nth, shard]))
  const entries = new Map<string, string>()
  const violations: string[] = []
  for (const [nth, { port }] of redis.servers.entries()) {
    const client = new Redis({ host: '127.0.0.1', port })
    try {
      const shard = shardByServer.get(nth)
      const found = await scan(client)
      if (shard === undefined) violations.push(...left(found, new Set([FENCE]), `server ${nth}`))
      else {
        const name = `${VIEW}@${generation}`
        const ids = await client.smembers(`${name}/keys`)
        const own = new Set([...partsOf(name), FENCE, ...ids.map(id => `${name}:${id}`)])
        violations.push(...left(found, own, `shard ${shard}`))
        violations.push(...[...own].filter(key => key !== FENCE && !found.has(key)).map(key => `MISSING: the key ${key} isn't on shard ${shard}`))
        const serving = await client.get(`${VIEW}/serving`)
        if (serving !== name) violations.push(`Shard ${shard} says that ${serving} serves, and not ${name}`)
        for (const id of ids) {
          if (ring?.owner(id) !== shard) violations.push(`MISPLACED: ${id} stands on ${shard}, and belongs on ${ring?.owner(id)}`)
          if (entries.has(id)) violations.push(`MISPLACED: ${id} stands on two shards`)
        }
        for (const [id, value] of await valuesOf(client, name, ids)) entries.set(id, value)
      }
    } finally {
      client.disconnect()
    }
  }
  return { entries, violations }
}

const partsOf = (name: string): readonly string[] => [
  ...['keys', 'identity', 'opening', 'filled'].map(part => `${name}/${part}`),
  ...Array.from({ length: PARTITIONS }, (_, partition) => `${name}/checkpoint/${partition}`),
  `${VIEW}/serving`,
]

const left = (found: ReadonlySet<string>, own: ReadonlySet<string>, where: string): readonly string[] =>
  [...found].filter(key => !own.has(key)).map(key => `LEFT: the key ${key} is on ${where}`)

async function scan(client: Redis): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for await (const keys of client.scanStream({ count: SCAN_COUNT })) for (const key of keys as readonly string[]) found.add(key)
  return found
}

async function valuesOf(client: Redis, name: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>()
  for (let at = 0; at < ids.length; at += CHUNK_KEYS) {
    const some = ids.slice(at, at + CHUNK_KEYS)
    const found = await client.mget(some.map(id => `${name}:${id}`))
    for (const [nth, id] of some.entries()) values.set(id, found[nth] ?? 'nothing, although its id is in the set')
  }
  return values
}
