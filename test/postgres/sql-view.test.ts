import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { openWith } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { connect, dropSchema, newSchema, query, SHARD } from './world.ts'

/** The SQL view `job`, for people. */

const [first, second] = [generationOf(), generationOf({ number: 2 })]
const asText = generationOf({ number: 3, format: 'text' })
let schema: string
let role: string
let backend: ViewBackend
let clients: pg.Client[]

beforeEach(async () => {
  schema = newSchema()
  role = `${schema}_reader`
  backend = await connect(schema)
  clients = []
  await query(`CREATE ROLE ${role}`)
})

afterEach(async () => {
  for (const client of clients) await client.end()
  await backend.close()
  await dropSchema(schema)
  await query(`DROP ROLE ${role}`)
})

const filled = (of: Generation): Promise<void> =>
  openWith({ backend, shards: [SHARD] } as unknown as Parameters<typeof openWith>[0], of, { a: of.format === 'text' ? 'text' : `{"n":${of.number}}` })
const shown = (): Promise<unknown> => query(`SELECT key, value::text FROM "${schema}".job`)
const grants = (): Promise<unknown> =>
  query(`SELECT array_to_string(c.relacl, ' ') AS view, (SELECT array_to_string(a.attacl, ' ') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'key') AS key
    FROM pg_class c WHERE c.oid = '"${schema}".job'::regclass`)
const grant = (): Promise<unknown> =>
  query(
    `GRANT SELECT ON "${schema}".job TO ${role} WITH GRANT OPTION; GRANT SELECT ON "${schema}".job TO PUBLIC; GRANT UPDATE (key) ON "${schema}".job TO ${role}`,
  )
async function holding(sql: string): Promise<pg.Client> {
  const client = new pg.Client(sharedPostgres())
  clients.push(client)
  await client.connect()
  await client.query('BEGIN')
  await client.query(sql)
  return client
}

it('shows what serves, and follows it to the next generation and back', async () => {
  for (const each of [first, second]) await filled(each)
  for (const each of [first, second, second, first]) {
    await backend.admin(each).serve()
    expect(await shown()).toEqual([{ key: 'a', value: `{"n":${each.number}}` }])
  }
  expect(await query(`SELECT value ->> 'n' AS n, log_offset FROM "${schema}".job`)).toEqual([{ n: '1', log_offset: '0' }])
})

it('is left as it is where it shows this generation already', async () => {
  await filled(first)
  await backend.admin(first).serve()
  const before = await query(`SELECT oid, xmin FROM pg_class WHERE oid = '"${schema}".job'::regclass`)
  await backend.admin(first).serve()
  expect(await query(`SELECT oid, xmin FROM pg_class WHERE oid = '"${schema}".job'::regclass`)).toEqual(before)
})

it('keeps what was granted on it, and what people built on it, where the type stays', async () => {
  for (const each of [first, second]) await filled(each)
  await backend.admin(first).serve()
  await grant()
  const granted = await grants()
  await query(`CREATE VIEW "${schema}".titles AS SELECT value ->> 'n' AS n FROM "${schema}".job`)
  await backend.admin(second).serve()
  expect(await grants()).toEqual(granted)
  expect(await query(`SELECT * FROM "${schema}".titles`)).toEqual([{ n: '2' }])
})

it('keeps what was granted on it where the type changes', async () => {
  for (const each of [first, asText]) await filled(each)
  await backend.admin(first).serve()
  await grant()
  const granted = await grants()
  await backend.admin(asText).serve()
  expect(await shown()).toEqual([{ key: 'a', value: 'text' }])
  expect(await grants()).toEqual(granted)
})

it('goes with the generation it shows, and what was granted is granted again on the next', async () => {
  for (const each of [first, second]) await filled(each)
  await backend.admin(first).serve()
  await grant()
  const granted = await grants()
  await backend.admin(first).drop()
  expect(
    await query(`SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname LIKE 'job%' AND relkind IN ('r', 'v')`),
  ).toEqual([{ relname: 'job@2' }])
  await backend.admin(second).serve()
  expect(await grants()).toEqual(granted)
})

it('stays when a generation it does not show is dropped, and when the one it shows is opened anew', async () => {
  for (const each of [first, second]) await filled(each)
  await backend.admin(first).serve()
  await grant()
  const granted = await grants()
  await backend.admin(second).drop()
  await backend.admin(first).open(SHARD, { anew: true })
  expect(await shown()).toEqual([])
  expect(await grants()).toEqual(granted)
})

it('waits for a reader in a long transaction, gives way to others meanwhile, and is made when it is repeated', async () => {
  for (const each of [first, second]) await filled(each)
  await backend.admin(first).serve()
  const reader = await holding(`SELECT * FROM "${schema}".job`)
  const serving = backend.admin(second).serve()
  const started = performance.now()
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
  expect(performance.now() - started).toBeLessThan(1_500)
  await expect(serving).rejects.toMatchObject({ code: 'view-unavailable', cause: { code: '55P03' }, remedy: expect.stringContaining('lock') })
  await reader.query('COMMIT')
  await backend.admin(second).serve()
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":2}' }])
})

it('that somebody dropped is missed, and made again', async () => {
  await filled(first)
  await backend.admin(first).serve()
  expect(await backend.admin(first).marks(SHARD)).toEqual({ filled: true, shown: true })
  await query(`DROP VIEW "${schema}".job`)
  expect(await backend.admin(first).marks(SHARD)).toEqual({ filled: true, shown: false })
  await backend.admin(first).serve()
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
})

it('hinders no drop for long: it takes the identity at once, and the rest when the reader is gone', async () => {
  await filled(first)
  await backend.admin(first).serve()
  const reader = await holding(`SELECT * FROM "${schema}".job`)
  await expect(backend.admin(first).drop()).rejects.toMatchObject({ code: 'view-unavailable' })
  await expect(backend.reader(first).get(['a'])).rejects.toMatchObject({ code: 'view-lost' })
  await reader.query('COMMIT')
  await backend.admin(first).drop()
  expect(await query(`SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname LIKE 'job%'`)).toEqual([])
})

it.each(['TABLE job (key text)', 'VIEW job AS SELECT 1 AS key'])('is not put in the place of somebody’s own %s', async made => {
  await filled(first)
  await query(`SET search_path = "${schema}"; CREATE ${made}`)
  await expect(backend.admin(first).serve()).rejects.toMatchObject({ code: 'foreign-store', remedy: expect.stringContaining('Rename') })
  expect(await backend.admin(first).marks(SHARD)).toMatchObject({ shown: true })
  await backend.admin(first).drop()
  expect(await query(`SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname LIKE 'job%'`)).toEqual([
    { relname: 'job' },
  ])
})

it('of a type that changes is told where something depends on it, with what to do', async () => {
  for (const each of [first, asText]) await filled(each)
  await backend.admin(first).serve()
  await query(`CREATE VIEW "${schema}".mine AS SELECT key FROM "${schema}".job`)
  await expect(backend.admin(asText).serve()).rejects.toMatchObject({
    code: 'view-unavailable',
    message: expect.stringContaining('mine'),
    remedy: expect.stringContaining('Drop what depends'),
  })
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
})
