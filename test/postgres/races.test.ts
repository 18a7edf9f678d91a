import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isLogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { quiet } from '../support/quiet.ts'
import { proxyTo } from './proxy.ts'
import { connect, dropSchema, newSchema, query, SHARD } from './world.ts'

/** What several processes do at the same moment, and what people do to our tables. */

const generation = generationOf()
const ids = Array.from({ length: 50 }, (_, number) => `id-${number}`)
let schema: string
let backends: ViewBackend[]

beforeEach(() => {
  schema = newSchema()
  backends = []
})

afterEach(async () => {
  for (const backend of backends) await backend.close()
  await dropSchema(schema)
})

async function connected(url = sharedPostgres(), logger = quiet): Promise<ViewBackend> {
  const backend = await connect(schema, url, logger)
  backends.push(backend)
  return backend
}

async function fill(backend: ViewBackend, of = generation): Promise<void> {
  await backend.writer(of).apply(
    SHARD,
    batch(
      0,
      0,
      50,
      ids.map(id => set(id, '1')),
    ),
  )
  await markFilled(backend.admin(of), SHARD, [50])
}

/** Reads until told to stop: every answer must be whole, or say why there is none. */
async function readAll(backend: ViewBackend, of: Generation, stopped: () => boolean): Promise<ReadonlyMap<string, number>> {
  const reader = backend.reader(of)
  const seen = new Map<string, number>()
  while (!stopped()) {
    for (const read of [
      async () => (await reader.get(ids)).map(textOf),
      async () => (await reader.list({ limit: 100 })).entries.map(({ value }) => textOf(value)),
    ]) {
      const answer = await read().catch((error: unknown) => (isLogfoldError(error) ? error.code : String(error)))
      const what =
        typeof answer === 'string' ? answer : answer.length === 50 && answer.every(value => value === '1') ? 'whole' : `of ${JSON.stringify(answer)}`
      seen.set(what, (seen.get(what) ?? 0) + 1)
    }
  }
  return seen
}

async function whileRead(work: (backend: ViewBackend) => Promise<void>): Promise<readonly string[]> {
  const writing = await connected()
  await writing.admin(generation).open(SHARD)
  await fill(writing)
  let stopped = false
  const readers = [await connected(), await connected()].map(backend => readAll(backend, generation, () => stopped))
  try {
    await work(writing)
  } finally {
    stopped = true
  }
  return [...new Set((await Promise.all(readers)).flatMap(seen => [...seen.keys()]))].toSorted()
}

describe('readers never take the absence of a store for the absence of entries', () => {
  it('while it is opened anew and filled again', async () => {
    const seen = await whileRead(async backend => {
      for (let round = 0; round < 60; round++) {
        expect(await backend.admin(generation).open(SHARD, { anew: true })).toBe('opened')
        await fill(backend)
      }
    })
    expect(seen).toEqual(['view-folding', 'whole'])
  })

  it('while it is dropped, and another is opened and filled under its name', async () => {
    const writing = await connected()
    const readers = [await connected(), await connected()]
    const seen = new Set<string>()
    for (let round = 0; round < 20; round++) {
      const of = { ...generation, uid: `uid ${round}` }
      expect(await writing.admin(of).open(SHARD)).toBe('opened')
      await fill(writing, of)
      let stopped = false
      const reading = readers.map(backend => readAll(backend, of, () => stopped))
      await writing.admin(of).drop(SHARD)
      expect(await writing.admin({ ...of, uid: 'uid of another' }).open(SHARD)).toBe('opened')
      await fill(writing, { ...of, uid: 'uid of another' })
      stopped = true
      for (const answers of await Promise.all(reading)) for (const what of answers.keys()) seen.add(what)
      await query(`TRUNCATE "${schema}"."@identity", "${schema}"."@checkpoint"`)
    }
    expect([...seen].toSorted()).toEqual(['foreign-store', 'view-lost', 'whole'])
  })

  it.each([
    ['the schema is dropped', 'DROP SCHEMA "$" CASCADE'],
    ['the identities are emptied', 'TRUNCATE "$"."@identity"'],
    ['all of ours is emptied', 'TRUNCATE "$"."@identity", "$"."@checkpoint", "$"."job@1"'],
    ['the table is dropped', 'DROP TABLE "$"."job@1"'],
  ])('while %s, and folded again', async (_, sql) => {
    const seen = await whileRead(async backend => {
      for (let round = 0; round < 15; round++) {
        await query(sql.replaceAll('$', schema))
        expect(await backend.writer(generation).apply(SHARD, batch(0, 50, 51))).toEqual({ kind: 'lost' })
        expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'lost' })
        expect(await backend.admin(generation).open(SHARD)).toBe('opened')
        await fill(backend)
      }
    })
    expect(seen.filter(what => what !== 'view-folding')).toEqual(['view-lost', 'whole'])
  })

  it('a checkpoint that somebody deleted is lost, never 0', async () => {
    const backend = await connected()
    await backend.admin(generation).open(SHARD)
    await fill(backend)
    await query(`DELETE FROM "${schema}"."@checkpoint" WHERE log_partition = 1`)
    expect(await backend.writer(generation).apply(SHARD, batch(1, 0, 1))).toEqual({ kind: 'lost' })
    expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'lost' })
    await expect(backend.reader(generation).vouched(SHARD)).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.admin(generation).open(SHARD)).toBe('opened')
  })
})

describe('writers of several processes', () => {
  it('race for each stretch: one wins it, and no batch is taken twice or left out', async () => {
    const writers = [await connected(), await connected(), await connected()]
    await writers[0]?.admin(generation).open(SHARD)
    const wins = await Promise.all(
      writers.map(async (backend, number) => {
        const won: number[] = []
        for (let position = 0; position < 60; ) {
          const outcome = await backend.writer(generation).apply(SHARD, batch(0, position, position + 1, [set(`id-${position}`, String(number))]))
          if (outcome.kind === 'applied') won.push(position++)
          else if (outcome.kind === 'elsewhere') position = outcome.checkpoint.position
          else expect(outcome).toEqual({ kind: 'applied' })
        }
        return won
      }),
    )
    expect(wins.flat().toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, position) => position))
    for (const [number, won] of wins.entries()) {
      expect(await query(`SELECT count(*) FROM "${schema}"."job@1" WHERE value::text = '${number}'`)).toEqual([{ count: String(won.length) }])
    }
  })

  it('write the same ids from several partitions, in opposite orders, and none ends in a deadlock', async () => {
    const backend = await connected()
    await backend.admin(generation).open(SHARD)
    const many = Array.from({ length: 3_000 }, (_, number) => `id-${number}`)
    const orders = [many, many.toReversed(), many.toSorted()]
    const outcomes = await Promise.all(
      orders.map(async (order, partition) => {
        const kinds = new Set<string>()
        for (let position = 0; position < 10; position++) {
          const ops = order.map(id => set(id, String(partition)))
          kinds.add((await backend.writer(generation).apply(SHARD, batch(partition, position, position + 1, ops))).kind)
        }
        return [...kinds]
      }),
    )
    expect(outcomes).toEqual([['applied'], ['applied'], ['applied']])
    expect((await backend.admin(generation).stats(SHARD)).entries).toBe(3_000)
  })

  it('start at the same moment on an empty database: one makes the schema, all of them go on', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => connected()))
    const opened = await Promise.all(all.map(backend => backend.admin(generation).open(SHARD)))
    expect(opened.toSorted()).toEqual(['kept', 'kept', 'kept', 'kept', 'kept', 'opened'])
  })

  it('cannot mark as filled what was opened anew while they waited', async () => {
    const [one, other] = [await connected(), await connected()]
    await one.admin(generation).open(SHARD)
    for (let round = 0; round < 30; round++) {
      await one.writer(generation).apply(SHARD, { partition: 0, from: 0, vouched: 0, checkpoint: at(5), ops: [] })
      const opening = await other.admin(generation).opening(SHARD)
      await Promise.all([one.admin(generation).open(SHARD, { anew: true }), other.admin(generation).markFilled(SHARD, opening, [])])
      expect(await one.reader(generation).filled(SHARD)).toBe(false)
    }
  })
})

describe('an answer that is lost', () => {
  it('to the COMMIT of open: unavailable, and open again keeps what the first one made', async () => {
    const proxy = await proxyTo(sharedPostgres())
    try {
      const backend = await connected(proxy.url)
      await backend.admin(generation).open(SHARD)
      await query(`DROP SCHEMA "${schema}" CASCADE`)
      await (await connected()).admin(generationOf({ view: 'other' })).open(SHARD)
      proxy.loseAnswerTo('INSERT INTO "')
      await expect(backend.admin(generation).open(SHARD)).rejects.toMatchObject({ code: 'view-unavailable' })
      expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'lost' })
      proxy.loseAnswerTo('COMMIT\0', 2)
      await expect(backend.admin(generation).open(SHARD)).rejects.toMatchObject({ code: 'view-unavailable' })
      const zero = { kind: 'open', checkpoints: [checkpointZero, checkpointZero, checkpointZero] }
      await expect.poll(() => backend.writer(generation).checkpoints(SHARD)).toEqual(zero)
      expect(await backend.admin(generation).open(SHARD)).toBe('kept')
      expect(await backend.reader(generation).filled(SHARD)).toBe(false)
      expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 1))).toEqual({ kind: 'applied' })
    } finally {
      await proxy.close()
    }
  })
})

describe('a schema', () => {
  it('of a newer logfold is left alone by a process that starts: it waits, and says what to do', async () => {
    const backend = await connected()
    await backend.admin(generation).open(SHARD)
    await fill(backend)
    await query(`UPDATE "${schema}"."@format" SET version = 99`)
    const said: string[] = []
    const late = await connected(undefined, { ...quiet, warn: message => void said.push(message) })
    const unavailable = {
      code: 'view-unavailable',
      message: `The schema ${schema} was made by a newer logfold (format 99; this one knows 3)`,
      remedy: 'Use the newer logfold, or give this one a schema of its own',
    }
    expect(await late.ping(SHARD)).toMatchObject(unavailable)
    expect(await late.writer(generation).checkpoints(SHARD)).toMatchObject({ kind: 'unavailable', cause: unavailable })
    expect(await late.writer(generation).apply(SHARD, batch(0, 50, 51))).toMatchObject({ kind: 'unavailable', cause: unavailable })
    await expect(late.reader(generation).get(['id-1'])).rejects.toMatchObject(unavailable)
    await expect(late.admin(generation).open(SHARD)).rejects.toMatchObject(unavailable)
    expect(said).toEqual(['Postgres cannot be used'])
    // Who was there before goes on: the steps leave it what it needs.
    expect(await backend.writer(generation).apply(SHARD, batch(0, 50, 51))).toEqual({ kind: 'applied' })
    await expect(backend.admin(generation).open(SHARD)).rejects.toMatchObject(unavailable)
  })

  it('of an older logfold is read as it is, and calls for open, which takes the missing steps and keeps what is there', async () => {
    const old = await connected()
    await old.admin(generation).open(SHARD)
    await fill(old)
    const source = `SELECT prosrc FROM pg_proc WHERE proname = '@apply' AND pronamespace = '"${schema}"'::regnamespace`
    const newest = await query(source)
    await query(`UPDATE "${schema}"."@format" SET version = 1; DROP TABLE "${schema}"."@fence";
      ALTER TABLE "${schema}"."@identity" DROP COLUMN opening;
      DO $$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef(oid), 'P0L01', 'P0001') FROM pg_proc WHERE proname = '@apply' AND pronamespace = '"${schema}"'::regnamespace); END $$`)
    expect(await query(source)).not.toEqual(newest)
    const backend = await connected()
    expect(await backend.ping(SHARD)).toBe(undefined)
    expect((await backend.reader(generation).get(['id-1'])).map(textOf)).toEqual(['1'])
    expect(await backend.reader(generation).vouched(SHARD)).toEqual([50, 0, 0])
    expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'lost' })
    expect(await backend.admin(generation).opening(SHARD)).toBe('')
    expect(await backend.admin(generation).open(SHARD)).toBe('kept')
    expect(await query(source)).toEqual(newest)
    expect(await markFilled(backend.admin(generation), SHARD, [50])).toBe(true)
    expect(await query(`SELECT version FROM "${schema}"."@format"`)).toEqual([{ version: '3' }])
    expect(await backend.writer(generation).checkpoints(SHARD)).toMatchObject({ kind: 'open', checkpoints: [at(50), {}, {}] })
    expect(await old.writer(generation).apply(SHARD, batch(0, 50, 51))).toEqual({ kind: 'applied' })
  })

  it.each([
    ['is missing', () => 'SELECT'],
    [
      'takes other parameters',
      () => `CREATE FUNCTION "${schema}"."@apply"(IN of_generation text, OUT outcome text) LANGUAGE sql AS 'SELECT of_generation'`,
    ],
  ])('in which the function %s is mended by open, and nothing else is touched', async (_, other) => {
    const backend = await connected()
    await backend.admin(generation).open(SHARD)
    await fill(backend)
    await query(`DROP FUNCTION "${schema}"."@apply"`)
    await query(other())
    expect(await backend.writer(generation).apply(SHARD, batch(0, 50, 51))).toEqual({ kind: 'lost' })
    expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'lost' })
    expect(await backend.admin(generation).open(SHARD)).toBe('kept')
    expect(await backend.writer(generation).apply(SHARD, batch(0, 50, 51))).toEqual({ kind: 'applied' })
  })
})
