import pg from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { commandAt, openWith, textOf } from '../contract/backend/folding.ts'
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
let commands: number

beforeEach(async () => {
  schema = newSchema()
  role = `${schema}_reader`
  backend = await connect(schema)
  clients = []
  commands = 0
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
/** Each time by a command of its own. */
const serve = (of: Generation): Promise<'shown' | 'outdated'> => backend.admin(of).serve(SHARD, commandAt(++commands))
const shown = (): Promise<unknown> => query(`SELECT key, value::text FROM "${schema}".job`)
const grants = (): Promise<unknown> =>
  query(`SELECT array_to_string(c.relacl, ' ') AS view, (SELECT array_to_string(a.attacl, ' ') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'key') AS key
    FROM pg_class c WHERE c.oid = '"${schema}".job'::regclass`)
const grant = (): Promise<unknown> =>
  query(
    `GRANT SELECT ON "${schema}".job TO ${role} WITH GRANT OPTION; GRANT SELECT ON "${schema}".job TO PUBLIC; GRANT UPDATE (key) ON "${schema}".job TO ${role}`,
  )
async function connectedClient(): Promise<pg.Client> {
  const client = new pg.Client(sharedPostgres())
  clients.push(client)
  await client.connect()
  return client
}
async function holding(sql: string): Promise<pg.Client> {
  const client = await connectedClient()
  await client.query('BEGIN')
  await client.query(sql)
  return client
}

it('shows what serves, and follows it to the next generation and back', async () => {
  for (const each of [first, second]) await filled(each)
  for (const each of [first, second, second, first]) {
    await serve(each)
    expect(await shown()).toEqual([{ key: 'a', value: `{"n":${each.number}}` }])
  }
  expect(await query(`SELECT value ->> 'n' AS n, log_offset FROM "${schema}".job`)).toEqual([{ n: '1', log_offset: '0' }])
})

it('is left as it is where it shows this generation already', async () => {
  await filled(first)
  await serve(first)
  const before = await query(`SELECT oid, xmin FROM pg_class WHERE oid = '"${schema}".job'::regclass`)
  await serve(first)
  expect(await query(`SELECT oid, xmin FROM pg_class WHERE oid = '"${schema}".job'::regclass`)).toEqual(before)
})

it('keeps what was granted on it, and what people built on it, where the type stays', async () => {
  for (const each of [first, second]) await filled(each)
  await serve(first)
  await grant()
  const granted = await grants()
  await query(`CREATE VIEW "${schema}".titles AS SELECT value ->> 'n' AS n FROM "${schema}".job`)
  await serve(second)
  expect(await grants()).toEqual(granted)
  expect(await query(`SELECT * FROM "${schema}".titles`)).toEqual([{ n: '2' }])
})

it('keeps what was granted on it where the type changes', async () => {
  for (const each of [first, asText]) await filled(each)
  await serve(first)
  await grant()
  const granted = await grants()
  await serve(asText)
  expect(await shown()).toEqual([{ key: 'a', value: 'text' }])
  expect(await grants()).toEqual(granted)
})

it('goes with the generation it shows, and what was granted is granted again on the next', async () => {
  for (const each of [first, second]) await filled(each)
  await serve(first)
  await grant()
  const granted = await grants()
  await backend.admin(first).drop(SHARD)
  expect(
    await query(`SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname LIKE 'job%' AND relkind IN ('r', 'v')`),
  ).toEqual([{ relname: 'job@2' }])
  await serve(second)
  expect(await grants()).toEqual(granted)
})

it('stays when a generation it does not show is dropped, and when the one it shows is opened anew', async () => {
  for (const each of [first, second]) await filled(each)
  await serve(first)
  await grant()
  const granted = await grants()
  await backend.admin(second).drop(SHARD)
  await backend.admin(first).open(SHARD, { anew: true })
  expect(await shown()).toEqual([])
  expect(await grants()).toEqual(granted)
})

it('waits for a reader in a long transaction, gives way to others meanwhile, and is made when it is repeated', async () => {
  for (const each of [first, second]) await filled(each)
  await serve(first)
  const reader = await holding(`SELECT * FROM "${schema}".job`)
  const serving = serve(second)
  const started = performance.now()
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
  expect(performance.now() - started).toBeLessThan(1_500)
  await expect(serving).rejects.toMatchObject({ code: 'view-unavailable', cause: { code: '55P03' }, remedy: expect.stringContaining('lock') })
  await reader.query('COMMIT')
  await serve(second)
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":2}' }])
})

it('that shows another generation of ours is told from one that shows this', async () => {
  for (const each of [first, second, asText]) await filled(each)
  const marked = async (): Promise<readonly boolean[]> =>
    await Promise.all([first, second, asText].map(async each => (await backend.admin(each).marks(SHARD)).shown))
  expect(await marked()).toEqual([false, false, false])
  for (const [number, each] of [first, second, asText, first].entries()) {
    expect(await serve(each)).toBe('shown')
    expect(await marked()).toEqual([0, 1, 2].map(of => of === number % 3))
  }
})

it('follows the newest command of a control topic, and each of another topic', async () => {
  for (const each of [first, second]) await filled(each)
  const served = async (of: Generation, offset: number, topicId?: string): Promise<unknown> => [
    await backend.admin(of).serve(SHARD, commandAt(offset, topicId)),
    await query(`SELECT value ->> 'n' AS n, f.served_topic_id, f.served_offset FROM "${schema}".job, "${schema}"."@fence" f`),
  ]
  const by = (n: number, offset: number, topic = 'control') => [{ n: String(n), served_topic_id: topic, served_offset: String(offset) }]
  expect(await served(second, 7)).toEqual(['shown', by(2, 7)])
  expect(await served(first, 6)).toEqual(['outdated', by(2, 7)])
  expect(await served(second, 7)).toEqual(['shown', by(2, 7)])
  expect(await served(first, 10)).toEqual(['shown', by(1, 10)])
  expect(await served(second, 9)).toEqual(['outdated', by(1, 10)])
  expect(await served(second, 3, 'another')).toEqual(['shown', by(2, 3, 'another')])
  expect(await served(first, 2 ** 53 - 1)).toEqual(['shown', by(1, 2 ** 53 - 1)])
})

it('that somebody dropped is missed, and made again', async () => {
  await filled(first)
  await serve(first)
  expect(await backend.admin(first).marks(SHARD)).toEqual({ filled: true, shown: true })
  await query(`DROP VIEW "${schema}".job`)
  expect(await backend.admin(first).marks(SHARD)).toEqual({ filled: true, shown: false })
  await serve(first)
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
})

it('read in a long transaction delays its generation’s drop, which then takes both at once', async () => {
  await filled(first)
  await serve(first)
  const reader = await holding(`SELECT * FROM "${schema}".job`)
  const held = { code: 'view-unavailable', cause: { code: '55P03' }, remedy: expect.stringContaining('lock') }
  await expect(backend.admin(first).drop(SHARD)).rejects.toMatchObject(held)
  expect((await backend.reader(first).get(['a'])).map(textOf)).toEqual(['{"n":1}'])
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
  expect(await backend.admin(first).open(SHARD)).toBe('kept')
  await reader.query('COMMIT')
  await backend.admin(first).drop(SHARD)
  await expect(backend.reader(first).get(['a'])).rejects.toMatchObject({ code: 'view-lost' })
  expect(await query(`SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname LIKE 'job%'`)).toEqual([])
})

it.each(['TABLE job (key text)', 'VIEW job AS SELECT 1 AS key'])('is not put in the place of somebody’s own %s', async made => {
  await filled(first)
  await query(`SET search_path = "${schema}"; CREATE ${made}`)
  await expect(serve(first)).rejects.toMatchObject({ code: 'foreign-store', remedy: expect.stringContaining('Rename') })
  expect(await backend.admin(first).marks(SHARD)).toMatchObject({ shown: true })
  expect(await query(`SELECT * FROM "${schema}"."@fence"`)).toEqual([])
  await backend.admin(first).drop(SHARD)
  expect(await query(`SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relname LIKE 'job%'`)).toEqual([
    { relname: 'job' },
  ])
})

it('of a type that changes is told where something depends on it, with what to do', async () => {
  for (const each of [first, asText]) await filled(each)
  await serve(first)
  await query(`CREATE VIEW "${schema}".mine AS SELECT key FROM "${schema}".job`)
  await expect(serve(asText)).rejects.toMatchObject({
    code: 'view-unavailable',
    message: expect.stringContaining('mine'),
    remedy: expect.stringContaining('Drop what depends'),
  })
  expect(await shown()).toEqual([{ key: 'a', value: '{"n":1}' }])
})

it.each([
  ['of the same format', second],
  ['of another format', asText],
])(
  'is there for those who query it, with one generation or the other, through a switch to a next one %s, and the first one’s drop',
  async (_, next) => {
    for (const each of [first, next]) await filled(each)
    await serve(first)
    const see = async (client: pg.Client): Promise<string> =>
      JSON.stringify((await client.query(`SELECT key, value::text FROM "${schema}".job`)).rows)
    let stopped = false
    const readAll = async (client: pg.Client): Promise<readonly string[]> => {
      const seen = new Set([await see(client)])
      while (!stopped) seen.add(await see(client))
      return [...seen.add(await see(client))].toSorted()
    }
    const readers = (await Promise.all(Array.from({ length: 3 }, connectedClient))).map(readAll)
    for (const each of [next, first, next, first, next, first, next]) expect(await serve(each)).toBe('shown')
    await backend.admin(first).drop(SHARD)
    stopped = true
    const value = next === asText ? 'text' : `{"n":${next.number}}`
    const either = [JSON.stringify([{ key: 'a', value: '{"n":1}' }]), JSON.stringify([{ key: 'a', value }])].toSorted()
    expect(await Promise.all(readers)).toEqual([either, either, either])
  },
)
