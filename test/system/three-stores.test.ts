import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ring } from '../../backends/redis/ring.ts'
import { query } from '../postgres/world.ts'
import { type KafkaCluster, startKafka } from '../services/kafka.ts'
import { type PostgresServer, startPostgres } from '../services/postgres.ts'
import { type RedisServers, startRedis } from '../services/redis.ts'
import { differences, foldLines } from './cities.ts'
import { cityRecords, writeCityRecords, writeTextByKcat } from './city-records.ts'
import { foldTopic } from './kafka-fold.ts'
import { type Running, startLogfold, temporaryFolder, writtenEntriesOf } from './running.ts'

const TOPIC = 'cities'
const PARTITIONS = 10
const SHARDS = ['a', 'b', 'c']
const VIEWS = ['in_redis', 'in_postgres', 'in_sqlite']

/** Ids and values that only survive as the bytes they are. */
const ODD: readonly (readonly [id: string, value: string])[] = [
  ['__proto__', '{ "a" : 1,"a":2}'],
  ['a/b?c=d#e', '12345678901234567890.10'],
  ['\u{1f600} é e\u0301', '"\\u00e9é\u{1f600}"'],
  ['job@1:x', ' [1 ,  2]'],
  ['@1/keys', '1e400000'],
  ['%00', '{"value":null}'],
  [' ', '""'],
]

/**
 * What Python's uhashring 2.5 (HashRing(nodes=['a', 'b', 'c'], hash_fn='ketama')) says of every id that is there at the end, in the order of their UTF-16: SHA-256 of the ids with
 * NUL between, and of the names of their shards.
 */
const GOLDEN = {
  ids: 'db5d41b5c68fc1a32edb36d28bdc1f21e462d9bea29532babf6be57e9e50d009',
  shards: 'ca6588ea8460aefbf1379e8cc8186ae0cfdc0541df7e96d8fb60358bfe13ff63',
}

describe('one topic of 100,000 records, folded at once into a ring of three Redis servers, Postgres and SQLite', () => {
  const folder = temporaryFolder()
  const running = new Set<Running>()
  let kafka: KafkaCluster
  let redis: RedisServers
  let postgres: PostgresServer
  /** By another client, which has no part in logfold: librdkafka. */
  let folded: ReadonlyMap<string, string>

  beforeAll(async () => {
    ;[kafka, redis, postgres] = await Promise.all([startKafka(), startRedis({ servers: SHARDS.length }), startPostgres()])
    const config = join(folder.path, 'logfold.yaml')
    writeFileSync(config, JSON.stringify(configOf(kafka, redis, postgres)))
    const start = async (role: string): Promise<Running> => {
      const started = await startLogfold({ dataDir: folder.path, args: ['-c', config, '--role', role] })
      running.add(started)
      return started
    }
    await start('worker')
    const apis = await Promise.all([start('api'), start('api')])
    const records = cityRecords()
    const targets = apis.map(({ url }, nth) => ({ view: VIEWS[nth] ?? '', url }))
    await writeTextByKcat(kafka.bootstrap, TOPIC, ODD)
    await writeCityRecords(records, { bootstrap: kafka.bootstrap, topic: TOPIC, apis: targets, folder: folder.path })
    folded = await foldTopic(kafka.bootstrap, TOPIC)
    const expected = new Map([...ODD, ...foldLines([...records.byKcat, ...records.byApi.flat()])])
    expect(differences(folded, expected)).toEqual([])
    expect(folded.size).toBe(55_563)
  }, 300_000)
  afterAll(async () => {
    await Promise.all([...running].map(each => each.end('SIGKILL')))
    await Promise.all([kafka?.dispose(), redis?.dispose(), postgres?.dispose()])
    folder.remove()
  })

  it.each(VIEWS)('%s: both API processes list the fold by kcat, entry by entry, byte for byte', async view => {
    for (const { url } of [...running].slice(1)) {
      await expect.poll(async () => differences(await writtenEntriesOf(url, view), folded), { timeout: 60_000, interval: 500 }).toEqual([])
    }
  })

  it('Redis: each id stands where ketama says, with its value, and nothing else stands anywhere', async () => {
    const name = 'in_redis@1'
    const ring = new Ring(SHARDS)
    const shardById = new Map<string, string>()
    const values = new Map<string, string>()
    for (const [nth, server] of redis.servers.entries()) {
      const shard = SHARDS[nth] ?? ''
      await using client = clientOf(server.port)
      const ids = await client.smembers(`${name}/keys`)
      for (const id of ids) {
        expect(shardById.get(id)).toBe(undefined)
        shardById.set(id, shard)
      }
      const found = await client.mgetBuffer(ids.map(id => `${name}:${id}`))
      for (const [at, id] of ids.entries()) values.set(id, String(found[at]))
      const checkpoints = Array.from({ length: PARTITIONS }, (_, partition) => `${name}/checkpoint/${partition}`)
      const own = [`${name}/keys`, `${name}/identity`, `${name}/opening`, `${name}/filled`, ...checkpoints, 'in_redis/fence', 'in_redis/serving']
      expect((await client.keys('*')).toSorted()).toEqual([...own, ...ids.map(id => `${name}:${id}`)].toSorted())
      expect(await client.mget('in_redis/serving', `${name}/filled`)).toEqual([name, '1'])
      expect(ids.length).toBeGreaterThan(folded.size / 6)
    }
    expect(differences(values, folded)).toEqual([])
    expect(differences(shardById, new Map([...folded.keys()].map(id => [id, ring.owner(id)])))).toEqual([])
    const ids = [...folded.keys()].toSorted()
    const shards = ids.map(id => shardById.get(id)).join('')
    expect({ ids: hash('sha256', ids.join('\0')), shards: hash('sha256', shards) }).toEqual(GOLDEN)
  })

  it('Postgres: the table holds the fold, the SQL view shows it', async () => {
    for (const table of ['in_postgres@1', 'in_postgres']) {
      const rows = await query(`SELECT key, value::text FROM logfold."${table}"`, postgres.url)
      expect(rows.length).toBe(folded.size)
      expect(differences(new Map(rows.map(({ key, value }) => [String(key), String(value)])), folded)).toEqual([])
    }
    expect(await query(`SELECT sum(entries) AS entries FROM logfold."@checkpoint"`, postgres.url)).toEqual([{ entries: String(folded.size) }])
    expect(await query(`SELECT value ->> 'name' AS name FROM logfold.in_postgres WHERE key = '3039154'`, postgres.url)).toEqual([
      { name: 'El Tarter' },
    ])
  })

  it('SQLite: the table holds the fold, the SQL view shows it', () => {
    const db = new DatabaseSync(join(folder.path, 'views.sqlite'), { readOnly: true })
    for (const table of ['in_sqlite@1', 'in_sqlite']) {
      const rows = db.prepare(`SELECT key, value FROM "${table}"`).all()
      expect(rows.length).toBe(folded.size)
      expect(differences(new Map(rows.map(({ key, value }) => [String(key), String(value)])), folded)).toEqual([])
    }
    db.close()
  })
})

function configOf(kafka: KafkaCluster, redis: RedisServers, postgres: PostgresServer): unknown {
  const view = (backend: string) => ({ topic: TOPIC, partitions: PARTITIONS, backend })
  return {
    log: { kind: 'kafka', brokers: kafka.bootstrap },
    backends: {
      ring: { kind: 'redis', shards: Object.fromEntries(redis.servers.map(({ address }, nth) => [SHARDS[nth], `redis://${address}`])) },
      pg: { kind: 'postgres', url: postgres.url },
      file: { kind: 'sqlite', path: 'views.sqlite' },
    },
    views: { in_redis: view('ring'), in_postgres: view('pg'), in_sqlite: view('file') },
  }
}

function clientOf(port: number): Redis & AsyncDisposable {
  const client = new Redis({ host: '127.0.0.1', port })
  return Object.assign(client, { [Symbol.asyncDispose]: async () => void client.disconnect() })
}
