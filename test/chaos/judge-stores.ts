import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Ring } from '../../backends/redis/ring.ts'
import type { HttpClient } from './http.ts'
import { entryOf } from './readers.ts'
import { PARTITIONS, SHARDS, VIEWS, type World } from './world.ts'

export type Entries = ReadonlyMap<string, string>

const SHOWN_MAX = 20

/** What differs, by key: missing, resurrected, or stale. */
export function differences(where: string, found: Entries, expected: Entries): readonly string[] {
  const told: string[] = []
  for (const [key, value] of expected) {
    const there = found.get(key)
    if (there === undefined) told.push(`MISSING in ${where}: ${key}, which is ${value}`)
    else if (there !== value) told.push(`STALE in ${where}: ${key} is ${there}, and should be ${value}`)
  }
  for (const [key, value] of found) if (!expected.has(key)) told.push(`RESURRECTED in ${where}: ${key}, ${value}`)
  const more = told.length > SHOWN_MAX ? [`… and ${told.length - SHOWN_MAX} more in ${where}`] : []
  return [...told.slice(0, SHOWN_MAX), ...more]
}

/** Every key of every view: as each API lists it, and as the stores hold it. */
export async function judgeStores(world: World, http: HttpClient, expected: Entries): Promise<readonly string[]> {
  const violations: string[] = []
  for (const api of world.apis) {
    for (const view of VIEWS) {
      const where = `${view} by ${api.name}`
      const answer = await http.ask({ method: 'GET', port: api.httpPort, path: `/api/${view}`, headers: { accept: 'application/x-ndjson' } })
      if (!answer.whole || answer.status !== 200) violations.push(`${where} isn't listed: ${answer.failure ?? answer.body}`)
      else violations.push(...differences(where, entriesOf(answer.body), expected))
    }
  }
  violations.push(...(await judgeRedis(world, expected)))
  for (const table of ['in_postgres@1', 'in_postgres']) violations.push(...differences(table, await postgresEntries(world, table), expected))
  for (const table of ['in_sqlite@1', 'in_sqlite']) violations.push(...differences(table, sqliteEntries(world, table), expected))
  return violations
}

const entriesOf = (lines: string): Entries =>
  new Map(
    lines
      .split('\n')
      .slice(0, -1)
      .map(line => {
        const { key, value } = entryOf(line)
        return [key, value]
      }),
  )

/** Each id stands on its shard alone, with its value, and nothing else stands anywhere. */
async function judgeRedis(world: World, expected: Entries): Promise<readonly string[]> {
  const violations: string[] = []
  const name = 'in_redis@1'
  const ring = new Ring(SHARDS)
  const found = new Map<string, string>()
  for (const shard of SHARDS) {
    const client = new Redis({ host: '127.0.0.1', port: world.shard(shard).port })
    try {
      const ids = await client.smembers(`${name}/keys`)
      const values = ids.length === 0 ? [] : await client.mget(ids.map(id => `${name}:${id}`))
      for (const [nth, id] of ids.entries()) {
        if (ring.owner(id) !== shard) violations.push(`MISPLACED: ${id} stands on ${shard}, and belongs on ${ring.owner(id)}`)
        if (found.has(id)) violations.push(`MISPLACED: ${id} stands on two shards`)
        found.set(id, values[nth] ?? 'nothing, although its id is in the set')
      }
      const checkpoints = Array.from({ length: PARTITIONS }, (_, partition) => `${name}/checkpoint/${partition}`)
      const own = new Set([
        `${name}/keys`,
        `${name}/identity`,
        `${name}/opening`,
        `${name}/filled`,
        'in_redis/fence',
        'in_redis/serving',
        ...checkpoints,
        ...ids.map(id => `${name}:${id}`),
      ])
      const keys = await client.keys('*')
      for (const key of keys) if (!own.has(key)) violations.push(`RESURRECTED: the key ${key} is on ${shard}, and not in the set of ids`)
      for (const key of own) if (!keys.includes(key)) violations.push(`MISSING: the key ${key} isn't on ${shard}`)
    } finally {
      client.disconnect()
    }
  }
  return [...violations, ...differences('Redis', found, expected)]
}

async function postgresEntries(world: World, table: string): Promise<Entries> {
  const client = new pg.Client({ connectionString: world.postgres.url, types: { getTypeParser: () => String } })
  await client.connect()
  try {
    const { rows } = await client.query<{ key: string; value: string }>(`SELECT key, value::text AS value FROM logfold."${table}"`)
    return new Map(rows.map(({ key, value }) => [key, value]))
  } finally {
    await client.end()
  }
}

function sqliteEntries(world: World, table: string): Entries {
  const db = new DatabaseSync(join(world.folder, 'data', 'views.sqlite'), { readOnly: true })
  try {
    const rows = db.prepare(`SELECT key, value FROM "${table}"`).all()
    return new Map(rows.map(({ key, value }) => [String(key), String(value)]))
  } finally {
    db.close()
  }
}
