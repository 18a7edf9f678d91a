import { inspect } from 'node:util'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, commandAt, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { connect, dropSchema, newSchema, query, SHARD } from './world.ts'

/** What people put on our tables, and beside them. */

const generation = generationOf()
let schema: string
let backend: ViewBackend

beforeEach(async () => {
  schema = newSchema()
  backend = await connect(schema)
  expect(await backend.admin(generation).open(SHARD)).toBe('opened')
})

afterEach(async () => {
  await backend.close()
  await dropSchema(schema)
})

const apply = (position: number, id = 'one', value = '1') =>
  backend.writer(generation).apply(SHARD, batch(0, position, position + 1, [set(id, value)]))
const checkpoints = () => backend.writer(generation).checkpoints(SHARD)
const standingAt = (position: number) => ({
  kind: 'open',
  checkpoints: [position === 0 ? checkpointZero : at(position), checkpointZero, checkpointZero],
})
const trigger = (body: string, when = 'AFTER') =>
  query(`CREATE FUNCTION "${schema}".mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body.replaceAll('$', schema)}; END $$;
    CREATE TRIGGER mine ${when} INSERT ON "${schema}"."job@1" FOR EACH ROW EXECUTE FUNCTION "${schema}".mine()`)

describe('a trigger', () => {
  it.each([
    ['a table', 'INSERT INTO "$".gone VALUES (NEW.key); RETURN NEW', 'gone'],
    ['a schema', 'INSERT INTO nowhere_at_all.gone VALUES (NEW.key); RETURN NEW', 'nowhere_at_all'],
    ['a function', 'PERFORM "$".gone(NEW.key); RETURN NEW', 'gone'],
  ])(
    'that needs %s which is not there: the batch is refused, as what stands there is whole, and taken once the trigger is gone',
    async (_, body, named) => {
      await trigger(body)
      expect(await apply(0)).toMatchObject({
        kind: 'refused',
        cause: { code: 'store-refused', message: expect.stringContaining(named), remedy: expect.stringContaining('trigger') },
      })
      expect(await checkpoints()).toEqual(standingAt(0))
      expect(await backend.admin(generation).open(SHARD)).toBe('kept')
      await query(`DROP TRIGGER mine ON "${schema}"."job@1"`)
      expect(await apply(0)).toEqual({ kind: 'applied' })
    },
  )

  it('that keeps an entry from being written: the batch is refused, and nothing of it is there', async () => {
    await trigger(`IF NEW.key = 'two' THEN RETURN NULL; END IF; RETURN NEW`, 'BEFORE')
    const outcome = await backend.writer(generation).apply(SHARD, batch(0, 0, 3, [set('one', '1'), set('two', '2'), set('three', '3')]))
    expect(outcome).toMatchObject({
      kind: 'refused',
      cause: {
        message: expect.stringContaining(`A trigger on ${schema}."job@1" kept 1 of 3 entries from being written`),
        remedy: expect.stringContaining('return NEW'),
      },
    })
    expect(await checkpoints()).toEqual(standingAt(0))
    expect(await query(`SELECT key FROM "${schema}"."job@1"`)).toEqual([])
  })

  it('runs with a search_path that nobody else can put anything into, and under read committed', async () => {
    await query(`CREATE TABLE "${schema}".seen (path text, isolation text)`)
    await trigger(`INSERT INTO "$".seen VALUES (current_setting('search_path'), current_setting('transaction_isolation')); RETURN NEW`)
    expect(await apply(0)).toEqual({ kind: 'applied' })
    expect(await query(`SELECT * FROM "${schema}".seen`)).toEqual([{ path: 'pg_catalog, pg_temp', isolation: 'read committed' }])
  })
})

describe('values of entries', () => {
  it.each([
    ['a constraint', `ALTER TABLE "$"."job@1" ADD CONSTRAINT plain CHECK (value::text <> '"secret"')`, 'plain'],
    ['a type', `ALTER TABLE "$"."job@1" ADD CONSTRAINT number CHECK ((value #>> '{}')::integer > 0)`, 'integer'],
  ])('are in no error, where %s refuses one', async (_, sql, named) => {
    await query(sql.replaceAll('$', schema))
    const outcome = await apply(0, 'one', '"secret"')
    expect(outcome).toMatchObject({ kind: 'refused', cause: { message: expect.stringContaining(named) } })
    expect(inspect(outcome, { depth: 9, showHidden: true })).not.toContain('secret')
  })
})

describe('a function in the schema public', () => {
  it('with the name and the parameters of one that we call is not called', async () => {
    await query(`CREATE OR REPLACE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$`)
    try {
      const other = await connect(schema)
      expect(await other.admin(generation).open(SHARD, { anew: true })).toBe('opened')
      expect(await other.writer(generation).apply(SHARD, batch(0, 0, 1, [set('one', '1')]))).toEqual({ kind: 'applied' })
      expect(await other.admin(generation).serve(SHARD, commandAt(1))).toBe('shown')
      await other.close()
    } finally {
      await query('DROP FUNCTION public.format(text, text, text)')
    }
  })
})

describe('a table that somebody changes while it is folded', () => {
  it.each([
    ['unlogged', 'ALTER TABLE "job@1" SET UNLOGGED', 'applied'],
    ['without its key', 'ALTER TABLE "job@1" DROP CONSTRAINT "job@1_pkey"', 'lost'],
    ['with another key', 'ALTER TABLE "job@1" DROP CONSTRAINT "job@1_pkey", ADD PRIMARY KEY (key, log_partition)', 'lost'],
    ['with another column', 'ALTER TABLE "job@1" ADD more int', 'applied'],
    ['with a column that must be filled', 'ALTER TABLE "job@1" ADD more int NOT NULL', 'lost'],
    ['without one of its columns', 'ALTER TABLE "job@1" DROP log_time', 'lost'],
    ['with a column of another type', 'ALTER TABLE "job@1" ALTER value TYPE jsonb', 'applied'],
  ])('%s: is lost, and open makes it anew', async (_, sql, answer) => {
    const change = `SET search_path = "${schema}"; ${sql}`
    await query(change)
    expect((await apply(0)).kind).toBe(answer)
    expect(await checkpoints()).toEqual({ kind: 'lost' })
    await expect(backend.reader(generation).vouched(SHARD)).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.admin(generation).open(SHARD)).toBe('opened')
    expect(await apply(0)).toEqual({ kind: 'applied' })
    expect(await checkpoints()).toEqual(standingAt(1))
  })

  it('by an index, a trigger or a comment is kept', async () => {
    await query(`CREATE INDEX ON "${schema}"."job@1" ((value ->> 'title')); COMMENT ON TABLE "${schema}"."job@1" IS 'mine'`)
    await trigger('RETURN NEW')
    expect(await apply(0)).toEqual({ kind: 'applied' })
    expect(await checkpoints()).toEqual(standingAt(1))
    expect(await backend.admin(generation).open(SHARD)).toBe('kept')
  })
})

describe('a lock that somebody holds on one table', () => {
  it('holds up no other view for longer than its own lock is waited for', async () => {
    const other = generationOf({ view: 'other', partitions: 10 })
    await backend.admin(other).open(SHARD)
    await markFilled(backend.admin(other), SHARD)
    const locker = new pg.Client(sharedPostgres())
    await locker.connect()
    await locker.query(`BEGIN; LOCK TABLE "${schema}"."job@1" IN ACCESS EXCLUSIVE MODE`)
    try {
      const writer = backend.writer(generation)
      const reader = backend.reader(generation)
      const writes = Array.from({ length: 8 }, (_, at) => writer.apply(SHARD, batch(at % 3, 0, 1, [set('one', '1')])))
      const reads = Array.from({ length: 8 }, () => reader.get(['one']).catch((error: unknown) => error))
      expect((await backend.reader(other).get(['one'])).map(textOf)).toEqual([undefined])
      expect(await backend.writer(other).apply(SHARD, batch(0, 0, 1, [set('one', '1')]))).toEqual({ kind: 'applied' })
      const unavailable = { code: 'view-unavailable', cause: { code: '55P03' }, remedy: expect.stringContaining('holds a lock') }
      for (const outcome of await Promise.all(writes)) expect(outcome).toMatchObject({ kind: 'unavailable', cause: unavailable })
      for (const outcome of await Promise.all(reads)) expect(outcome).toMatchObject(unavailable)
    } finally {
      await locker.end()
    }
  })
})
