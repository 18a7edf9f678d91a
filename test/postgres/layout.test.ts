import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, bytesOf, commandAt, compareBytes, del, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { pagesOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { connect, dropSchema, newSchema, query, SHARD } from './world.ts'

const generation = generationOf({ partitions: 2 })
let schema: string
let backend: ViewBackend

beforeEach(async () => {
  schema = newSchema()
  backend = await connect(schema)
})

afterEach(async () => {
  await backend.close()
  await dropSchema(schema)
})

async function fold(of: Generation, entries: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  expect(await backend.admin(of).open(SHARD)).toBe('opened')
  const ops = Object.entries(entries).map(([id, value], offset) => set(id, value, offset))
  expect(await backend.writer(of).apply(SHARD, batch(0, 0, 8, ops))).toEqual({ kind: 'applied' })
  expect(await markFilled(backend.admin(of), SHARD, [8, 0])).toBe(true)
}

describe('what psql finds in the schema', () => {
  it('entries, with their place in the log, in a logged table with the contract’s columns', async () => {
    await fold(generation, { one: '{"title":"Baker"}' })
    expect(await query(`SELECT * FROM "${schema}"."job@1"`)).toEqual([
      { key: 'one', value: '{"title":"Baker"}', log_partition: '0', log_offset: '0', log_time: '2023-11-14 22:13:20+00' },
    ])
    const columns = await query(
      `SELECT column_name, data_type, collation_name, is_nullable FROM information_schema.columns WHERE table_schema = '${schema}' AND table_name = 'job@1' ORDER BY ordinal_position`,
    )
    expect(columns.map(column => Object.values(column).join(' '))).toEqual([
      'key text C NO',
      'value json  NO',
      'log_partition integer  NO',
      'log_offset bigint  NO',
      'log_time timestamp with time zone  NO',
    ])
    expect(
      await query(
        `SELECT relname, relpersistence FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE "C"`,
      ),
    ).toEqual(['@checkpoint', '@fence', '@format', '@grants', '@identity', 'job@1'].map(relname => ({ relname, relpersistence: 'p' })))
    expect(
      await query(`SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '"${schema}"."job@1"'::regclass AND contype = 'p'`),
    ).toEqual([{ pg_get_constraintdef: 'PRIMARY KEY (key)' }])
  })

  it('checkpoints and the identity', async () => {
    await fold(generation, { one: '1' })
    expect(await query(`SELECT * FROM "${schema}"."@checkpoint" ORDER BY log_partition`)).toEqual(
      [
        ['job@1', 0, 8, 8, 2, 4, 1_700_000_000_123, 1],
        ['job@1', 1, 0, 0, -1, -1, 0, 0],
      ].map(([name, partition, position, vouched, removed, epoch, atEnd, entries]) => ({
        generation: name,
        log_partition: String(partition),
        position: String(position),
        vouched: String(vouched),
        tombstones_removed_to: String(removed),
        leader_epoch: String(epoch),
        at_end_ms: String(atEnd),
        entries: String(entries),
      })),
    )
    const opening = await backend.admin(generation).opening(SHARD)
    expect(await query(`SELECT * FROM "${schema}"."@identity"`)).toEqual([
      {
        generation: 'job@1',
        uid: 'uid of job@1',
        log_id: 'log',
        topic_id: 'topic',
        definition_hash: 'definition',
        shard: 'main',
        filled: 't',
        opening,
      },
    ])
    expect(opening).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('of each view, and for good, what was dropped, and the command by which people were shown one', async () => {
    const fence = (): Promise<unknown> => query(`SELECT * FROM "${schema}"."@fence" ORDER BY view`)
    const dropped = [1, 2].map(number => generationOf({ partitions: 2, number }))
    const other = generationOf({ partitions: 2, view: 'other' })
    for (const of of [...dropped, other]) await fold(of, { one: '1' })
    expect(await fence()).toEqual([])
    expect(await backend.admin(other).serve(SHARD, commandAt(2 ** 53 - 1))).toBe('shown')
    for (const of of [...dropped, ...dropped]) await backend.admin(of).drop(SHARD)
    expect(await fence()).toEqual([
      { view: 'job', dropped: '{"uid of job@1","uid of job@2"}', served_topic_id: null, served_offset: null },
      { view: 'other', dropped: '{}', served_topic_id: 'control', served_offset: '9007199254740991' },
    ])
  })

  it('json as the text that was written, which can still be asked for members', async () => {
    const values = { a: '{"a":1,"a":2}', b: '1e400000', c: ' {"title" :\n"x" } ', d: '"\\ud83d\\ude00é"' }
    await fold(generation, values)
    expect(await query(`SELECT key, value::text FROM "${schema}"."job@1" ORDER BY key`)).toEqual(
      Object.entries(values).map(([key, value]) => ({ key, value })),
    )
    expect(await query(`SELECT value ->> 'title' AS title FROM "${schema}"."job@1" WHERE key = 'c'`)).toEqual([{ title: 'x' }])
  })

  it.each([
    ['text', 'text', 'a\tb', 'a\tb'],
    ['bytes', 'bytea', Uint8Array.of(0, 255), '\\x00ff'],
  ] as const)('%s as %s', async (format, type, value, shown) => {
    await fold(generationOf({ format, partitions: 2 }), { one: value })
    expect(await query(`SELECT value, pg_typeof(value) AS type FROM "${schema}"."job@1"`)).toEqual([{ value: shown, type }])
  })

  it('keys in the order of their bytes, whatever the database’s own order', async () => {
    const keys = ['a', 'Z', 'é', '\uffff', '\u{10000}', '\u{1f600}', '~', '1']
    await fold(generation, Object.fromEntries(keys.map(key => [key, '1'])))
    expect(await query(`SELECT key FROM "${schema}"."job@1" ORDER BY key`)).toEqual(keys.toSorted(compareBytes).map(key => ({ key })))
  })

  it('times that Postgres has none for as infinity: any 64 bits may stand in a record', async () => {
    const times = [-1, 0, 253_402_300_800_000, 8_640_000_000_000_000, 2 ** 63, -210_866_803_200_000, -(2 ** 62)]
    await backend.admin(generation).open(SHARD)
    const ops = times.map((timestampMs, offset) => ({ ...set(`id-${offset}`, '1', offset), timestampMs }))
    expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 8, ops))).toEqual({ kind: 'applied' })
    expect((await query(`SELECT log_time AT TIME ZONE 'UTC' AS time FROM "${schema}"."job@1" ORDER BY key`)).map(({ time }) => time)).toEqual([
      '1969-12-31 23:59:59.999',
      '1970-01-01 00:00:00',
      '10000-01-01 00:00:00',
      '275760-09-13 00:00:00',
      'infinity',
      '4714-11-24 00:00:00 BC',
      '-infinity',
    ])
  })
})

describe('the number of entries', () => {
  it('is kept with the checkpoints, and exact: also where an id comes from two partitions, comes again, or is deleted twice', async () => {
    await fold(generation, { a: '1', b: '2', c: '3' })
    const writer = backend.writer(generation)
    await writer.apply(SHARD, batch(1, 0, 3, [set('a', '9'), set('d', '4'), del('b'), del('never')]))
    await writer.apply(SHARD, batch(0, 8, 9, [del('b'), set('e', '5'), set('e2', '5'), del('a')]))
    await writer.apply(SHARD, batch(0, 9, 9, [set('e', '6')]))
    const { entries, bytes } = await backend.admin(generation).stats(SHARD)
    expect(entries).toBe(4)
    expect(await query(`SELECT count(*) FROM "${schema}"."job@1"`)).toEqual([{ count: '4' }])
    const [size] = await query(`SELECT pg_table_size(oid) + pg_indexes_size(oid) AS bytes FROM pg_class WHERE oid = '"${schema}"."job@1"'::regclass`)
    expect(String(bytes)).toBe(size?.bytes)
    expect(await backend.capacity(SHARD)).toBe(undefined)
  })
})

describe('pages', () => {
  it('of large values end early, and compressed ones count as what they unpack to', async () => {
    const large = generationOf({ partitions: 2 })
    const ids = Array.from({ length: 40 }, (_, number) => `id-${number + 10}`)
    await fold(large, Object.fromEntries(ids.map(id => [id, JSON.stringify(id.padEnd(900_000, 'x'))])))
    const sizes: number[] = []
    const seen: string[] = []
    for await (const page of pagesOf(backend.reader(large), { limit: 1_000 })) {
      sizes.push(page.length)
      seen.push(...page.map(({ id, value }) => (textOf(value) === JSON.stringify(id.padEnd(900_000, 'x')) ? id : 'another value')))
    }
    expect(seen).toEqual(ids)
    expect(Math.max(...sizes)).toBe(5)
  })

  it('of small values are as long as asked for, from the first on', async () => {
    const ids = Array.from({ length: 750 }, (_, number) => `id-${number + 1_000}`)
    await fold(generation, Object.fromEntries(ids.map(id => [id, '1'])))
    const page = await backend.reader(generation).list({ limit: 700 })
    expect(page.entries.map(({ id }) => id)).toEqual(ids.slice(0, 700))
    expect(await backend.reader(generation).list({ limit: 1_000, cursor: page.cursor })).toEqual({
      entries: ids.slice(700).map(id => ({ id, value: Buffer.from('1') })),
      cursor: undefined,
    })
  })

  it('of a prefix that cannot be in Postgres are empty, and so are gets', async () => {
    await fold(generation, { a: '1' })
    const reader = backend.reader(generation)
    for (const prefix of ['\0', 'a\0', '\ud800']) expect(await reader.list({ limit: 5, prefix })).toEqual({ entries: [], cursor: undefined })
    expect((await reader.get(['\0', 'a', '\ud800'])).map(textOf)).toEqual([undefined, '1', undefined])
    await expect(reader.list({ limit: 5, cursor: Buffer.from('a\0').toString('base64url') })).rejects.toMatchObject({ code: 'cursor-expired' })
  })
})

describe('a table that is not what it should be', () => {
  it.each([
    ['unlogged', 'ALTER TABLE "job@1" SET UNLOGGED'],
    ['without its key', 'ALTER TABLE "job@1" DROP CONSTRAINT "job@1_pkey"'],
    ['with another column', 'ALTER TABLE "job@1" ADD more int'],
    ['gone', 'DROP TABLE "job@1"'],
  ])('%s: open makes it anew', async (_, sql) => {
    await fold(generation, { a: '1' })
    await query(`SET search_path = "${schema}"; ${sql}`)
    expect(await backend.admin(generation).open(SHARD)).toBe('opened')
    expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 1, [set('b', bytesOf('2'))]))).toEqual({ kind: 'applied' })
    expect(await backend.writer(generation).checkpoints(SHARD)).toMatchObject({ kind: 'open', checkpoints: [at(1), { position: 0 }] })
    expect(await query(`SELECT key FROM "${schema}"."job@1"`)).toEqual([{ key: 'b' }])
  })
})
