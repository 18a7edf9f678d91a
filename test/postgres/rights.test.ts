import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, commandAt, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { connect, dropSchema, newSchema, query, SHARD } from './world.ts'

/** The rights that docs/postgres.md tells a database's owner to grant, and no others. */

const [first, second] = [generationOf(), generationOf({ number: 2 })]
const asText = generationOf({ number: 3, format: 'text' })
let schema: string
let worker: string
let api: string
let anna: string
let backends: ViewBackend[]

beforeEach(async () => {
  schema = newSchema()
  ;[worker, api, anna] = ['worker', 'api', 'anna'].map(name => `${schema}_${name}`) as [string, string, string]
  backends = []
  await query([worker, api, anna].map(role => `CREATE ROLE ${role} LOGIN PASSWORD 'right'`).join(';'))
})
afterEach(async () => {
  for (const backend of backends) await backend.close()
  await dropSchema(schema)
  await query([worker, api, anna].map(role => `DROP OWNED BY ${role}; DROP ROLE ${role}`).join(';'))
})

function urlOf(role: string): string {
  const url = new URL(sharedPostgres())
  url.username = role
  url.password = 'right'
  return url.href
}

async function connectedAs(role: string): Promise<ViewBackend> {
  const backend = await connect(schema, urlOf(role))
  backends.push(backend)
  return backend
}

async function filled(backend: ViewBackend, of: Generation): Promise<void> {
  expect(await backend.admin(of).open(SHARD)).toBe('opened')
  expect(await backend.writer(of).apply(SHARD, batch(0, 0, 1, [set('a', `${of.number}`)]))).toEqual({ kind: 'applied' })
  expect(await markFilled(backend.admin(of), SHARD, [1])).toBe(true)
}

const deniedTo = (what: string) => ({ code: 'view-unavailable', message: expect.stringContaining(`permission denied for ${what}`) })

it.each([
  ['a schema of its own', () => `CREATE SCHEMA ${schema} AUTHORIZATION ${worker}`],
  ['the right to make one', () => `DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO ${worker}', current_database()); END $$`],
])('a role with %s does all that a worker has to, and people see no more than the SQL view, one generation after the other', async (_, granting) => {
  await query(granting())
  const backend = await connectedAs(worker)
  expect(await backend.ping(SHARD)).toBe(undefined)
  await filled(backend, first)
  expect(await backend.admin(first).serve(SHARD, commandAt(1))).toBe('shown')
  await query(`GRANT USAGE ON SCHEMA ${schema} TO ${anna}; GRANT SELECT ON ${schema}.job TO ${anna}`)
  const shown = () => query(`SELECT value::text FROM ${schema}.job`, urlOf(anna))
  expect(await shown()).toEqual([{ value: '1' }])
  let command = 1
  for (const [before, next] of [
    [first, second],
    [second, asText],
  ] as const) {
    await filled(backend, next)
    expect(await backend.admin(next).serve(SHARD, commandAt(++command))).toBe('shown')
    expect(await backend.admin(before).serve(SHARD, commandAt(command - 1))).toBe('outdated')
    await backend.admin(before).drop(SHARD)
    expect(await backend.admin(before).open(SHARD)).toBe('dropped')
    expect(await shown()).toEqual([{ value: `${next.number}` }])
  }
  expect((await backend.admin(asText).stats(SHARD)).bytes).toBeGreaterThan(8_000)
  for (const table of ['@fence', '@identity', 'job@3']) {
    await expect(query(`SELECT FROM ${schema}."${table}"`, urlOf(anna))).rejects.toThrow(`permission denied for table ${table}`)
  }
})

it('a role that may only read answers for every generation, and changes none', async () => {
  await query(`CREATE SCHEMA ${schema} AUTHORIZATION ${worker}`)
  const writing = await connectedAs(worker)
  await filled(writing, first)
  await query(`GRANT USAGE ON SCHEMA ${schema} TO ${api}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${api};
    ALTER DEFAULT PRIVILEGES FOR ROLE ${worker} IN SCHEMA ${schema} GRANT SELECT ON TABLES TO ${api}`)
  await filled(writing, second)
  await writing.admin(second).serve(SHARD, commandAt(1))
  const backend = await connectedAs(api)
  for (const of of [first, second]) {
    expect((await backend.reader(of).get(['a'])).map(textOf)).toEqual([`${of.number}`])
    expect(await backend.admin(of).marks(SHARD)).toEqual({ filled: true, shown: of === second })
    expect((await backend.admin(of).stats(SHARD)).bytes).toBeGreaterThan(8_000)
    await expect(backend.admin(of).drop(SHARD)).rejects.toMatchObject(deniedTo('table @identity'))
    await expect(backend.admin(of).serve(SHARD, commandAt(2))).rejects.toMatchObject(deniedTo('table @identity'))
    await expect(backend.admin(of).open(SHARD)).rejects.toMatchObject(deniedTo('table @identity'))
  }
  expect(await query(`SELECT FROM ${schema}."@fence" WHERE cardinality(dropped) > 0`)).toEqual([])
})
