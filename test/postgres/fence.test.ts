import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PostgresBackend } from '../../backends/postgres/backend.ts'
import { waits } from '../../backends/postgres/session.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, commandAt, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { quiet } from '../support/quiet.ts'
import { proxyTo } from './proxy.ts'
import { configOf, connect, dropSchema, newSchema, query, SHARD } from './world.ts'

/** Who acts late, from another process: brings back nothing that was dropped, and shows nothing that people were led away from. */

const [first, second] = [generationOf(), generationOf({ number: 2 })]
let schema: string
let backends: ViewBackend[]
let clients: pg.Client[]

beforeEach(() => {
  schema = newSchema()
  backends = []
  clients = []
})
afterEach(async () => {
  for (const client of clients) await client.end()
  for (const backend of backends) await backend.close()
  await dropSchema(schema)
})

async function connected(): Promise<ViewBackend> {
  const backend = await connect(schema)
  backends.push(backend)
  return backend
}

/** Waits for a lock however busy the machine is, so that those that wait for one get it in their order. */
function patient(): ViewBackend {
  const lockMs = { ...waits.lockMs, admin: 25_000 }
  const backend = new PostgresBackend(configOf(schema), quiet, { ...waits, lockMs })
  backends.push(backend)
  return backend
}

async function filled(backend: ViewBackend, ...generations: readonly Generation[]): Promise<void> {
  for (const of of generations) {
    expect(await backend.admin(of).open(SHARD)).toBe('opened')
    expect(await backend.writer(of).apply(SHARD, batch(0, 0, 1, [set('a', `${of.number}`)]))).toEqual({ kind: 'applied' })
    expect(await markFilled(backend.admin(of), SHARD, [1])).toBe(true)
  }
}

async function holding(sql: string): Promise<pg.Client> {
  const client = new pg.Client(sharedPostgres())
  clients.push(client)
  await client.connect()
  await client.query('BEGIN')
  await client.query(sql)
  return client
}

const viewLock = (): string => `hashtextextended('logfold/view/${schema}/job', 0)`
const waiting = async (): Promise<string> =>
  String(
    (
      await query(
        `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND ((classid::bigint << 32) | objid::bigint) = ${viewLock()}`,
      )
    )[0]?.count,
  )

/** What each comes to, where they get the lock of the view in this order: all of them wait for it. */
async function inOrder(works: readonly (() => Promise<unknown>)[]): Promise<readonly unknown[]> {
  const holder = await holding(`SELECT pg_advisory_xact_lock(${viewLock()})`)
  const outcomes: Promise<unknown>[] = []
  for (const work of works) {
    outcomes.push(work().catch((error: unknown) => (error as { code?: string }).code))
    await expect.poll(waiting, { interval: 5 }).toBe(String(outcomes.length))
  }
  await holder.query('COMMIT')
  return await Promise.all(outcomes)
}

const relations = async (): Promise<readonly unknown[]> =>
  (
    await query(
      `SELECT relname FROM pg_class WHERE relnamespace = '"${schema}"'::regnamespace AND relname LIKE 'job%' AND relkind IN ('r', 'v') ORDER BY relname`,
    )
  ).map(({ relname }) => relname)
const shown = (): Promise<unknown> => query(`SELECT value::text FROM "${schema}".job`)

describe('of two processes that wait for each other', () => {
  let one: ViewBackend
  let other: ViewBackend

  beforeEach(async () => {
    one = patient()
    other = patient()
    await filled(one, first, second)
    await one.admin(first).serve(SHARD, commandAt(1))
    // Other connects, and looks at the schema, before it has to be quick.
    expect(await other.admin(first).open(SHARD)).toBe('kept')
  })

  it.each([false, true])('an open behind the drop is told of it, and makes nothing (anew: %s)', async anew => {
    const outcomes = await inOrder([() => one.admin(first).drop(SHARD), () => other.admin(first).open(SHARD, { anew })])
    expect(outcomes).toEqual([undefined, 'dropped'])
    expect(await relations()).toEqual(['job@2'])
    expect(await other.writer(first).apply(SHARD, batch(0, 1, 2))).toEqual({ kind: 'lost' })
  })

  it('an open before the drop is undone by it', async () => {
    const outcomes = await inOrder([() => other.admin(first).open(SHARD, { anew: true }), () => one.admin(first).drop(SHARD)])
    expect(outcomes).toEqual(['opened', undefined])
    expect(await relations()).toEqual(['job@2'])
    expect(await query(`SELECT DISTINCT generation FROM "${schema}"."@checkpoint"`)).toEqual([{ generation: 'job@2' }])
  })

  it('a serve behind the drop shows nothing', async () => {
    const outcomes = await inOrder([() => one.admin(first).drop(SHARD), () => other.admin(first).serve(SHARD, commandAt(2))])
    expect(outcomes).toEqual([undefined, 'view-lost'])
    expect(await relations()).toEqual(['job@2'])
  })

  it('a serve before the drop is undone by it', async () => {
    const outcomes = await inOrder([() => other.admin(second).serve(SHARD, commandAt(2)), () => one.admin(second).drop(SHARD)])
    expect(outcomes).toEqual(['shown', undefined])
    expect(await relations()).toEqual(['job@1'])
  })

  it('the one with the older command shows nothing, whoever comes first', async () => {
    const [older, newer] = [() => other.admin(first).serve(SHARD, commandAt(2)), () => one.admin(second).serve(SHARD, commandAt(3))]
    expect(await inOrder([newer, older])).toEqual(['shown', 'outdated'])
    expect(await shown()).toEqual([{ value: '2' }])
    const back = () => other.admin(first).serve(SHARD, commandAt(5))
    expect(await inOrder([() => one.admin(second).serve(SHARD, commandAt(4)), back])).toEqual(['shown', 'shown'])
    expect(await shown()).toEqual([{ value: '1' }])
  })
})

it('however many processes open, fill and serve while it is dropped: from then on nothing of it is there', async () => {
  const others = [patient(), patient(), patient()]
  const dropping = patient()
  for (let round = 1; round <= 15; round++) {
    const of = generationOf({ number: round })
    await filled(dropping, of)
    let isDropped = false
    const storms = others.map(async (backend, number) => {
      const late: unknown[] = []
      while (late.length < 3) {
        const begunLate = isDropped
        const outcome = await (number === 0
          ? backend.admin(of).serve(SHARD, commandAt(round))
          : backend.admin(of).open(SHARD, { anew: number === 1 })
        ).catch((error: unknown) => (error as { code?: string }).code)
        if (begunLate) late.push(outcome)
      }
      return new Set(late)
    })
    await dropping.admin(of).drop(SHARD)
    isDropped = true
    expect(await relations()).toEqual([])
    expect(await Promise.all(storms)).toEqual([new Set(['view-lost']), new Set(['dropped']), new Set(['dropped'])])
  }
  expect(await relations()).toEqual([])
  expect(await query(`SELECT generation FROM "${schema}"."@identity" UNION ALL SELECT generation FROM "${schema}"."@checkpoint"`)).toEqual([])
}, 30_000)

describe('a drop', () => {
  it('that was interrupted behind its first step has taken the identity for good, and goes on when it is repeated', async () => {
    const backend = await connected()
    await filled(backend, first, second)
    await backend.admin(first).serve(SHARD, commandAt(1))
    const reader = await holding(`SELECT * FROM "${schema}"."job@1"`)
    const stop = new AbortController()
    const dropping = backend.admin(first).drop(SHARD, stop.signal)
    await expect.poll(relations, { interval: 5 }).toEqual(['job@1', 'job@2'])
    stop.abort()
    await dropping
    await expect(backend.reader(first).get(['a'])).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.admin(first).open(SHARD)).toBe('dropped')
    await backend.admin(first).drop(SHARD, stop.signal)
    expect(await relations()).toEqual(['job@1', 'job@2'])
    await reader.query('COMMIT')
    await backend.admin(first).drop(SHARD)
    expect(await relations()).toEqual(['job@2'])
    expect((await backend.reader(second).get(['a'])).map(textOf)).toEqual(['2'])
  })

  it('of what is not there is known from then on, also where the schema is not', async () => {
    const backend = await connected()
    await backend.admin(first).drop(SHARD)
    expect(await backend.admin(first).open(SHARD)).toBe('dropped')
    expect(await backend.admin(second).open(SHARD)).toBe('opened')
    await query(`DELETE FROM "${schema}"."@identity"`)
    await backend.admin(second).drop(SHARD)
    expect(await backend.admin(second).open(SHARD)).toBe('dropped')
    expect(await relations()).toEqual([])
  })

  it('leaves alone what stands there under another identity, and what people see of it', async () => {
    const backend = await connected()
    const theirs = { ...first, uid: 'another uid' }
    await filled(backend, theirs)
    await backend.admin(theirs).serve(SHARD, commandAt(1))
    await backend.admin(first).drop(SHARD)
    expect(await backend.admin(first).open(SHARD)).toBe('dropped')
    expect(await backend.admin(theirs).open(SHARD)).toBe('kept')
    expect(await shown()).toEqual([{ value: '1' }])
  })
})

it('a schema that is dropped loses its fence with all else, and is opened again', async () => {
  const backend = await connected()
  await filled(backend, first)
  await backend.admin(first).drop(SHARD)
  await dropSchema(schema)
  expect(await backend.admin(first).open(SHARD)).toBe('opened')
})

it('what was done, and the answer lost, is done when it is repeated, and stands against who is late meanwhile', async () => {
  const proxy = await proxyTo(sharedPostgres())
  try {
    const backend = await connect(schema, proxy.url)
    backends.push(backend)
    const other = await connected()
    await filled(backend, first, second)
    // Behind the one that looks at the schema.
    proxy.loseAnswerTo('COMMIT\0', 2)
    await expect(backend.admin(second).serve(SHARD, commandAt(2))).rejects.toMatchObject({ code: 'view-unavailable' })
    await expect.poll(relations).toEqual(['job', 'job@1', 'job@2'])
    expect(await other.admin(first).serve(SHARD, commandAt(1))).toBe('outdated')
    expect(await backend.admin(second).serve(SHARD, commandAt(2))).toBe('shown')
    proxy.loseAnswerTo('COMMIT\0', 2)
    await expect(backend.admin(second).drop(SHARD)).rejects.toMatchObject({ code: 'view-unavailable' })
    await expect.poll(relations).toEqual(['job@1', 'job@2'])
    expect(await other.admin(second).open(SHARD)).toBe('dropped')
    await backend.admin(second).drop(SHARD)
    expect(await relations()).toEqual(['job@1'])
  } finally {
    await proxy.close()
  }
})

describe('a schema without a fence', () => {
  it.each([
    ['open', (of: ViewBackend) => of.admin(first).open(SHARD), 'kept'],
    ['serve', (of: ViewBackend) => of.admin(first).serve(SHARD, commandAt(1)), 'shown'],
    ['drop', (of: ViewBackend) => of.admin(first).drop(SHARD), undefined],
  ])('of the version before gets one by the first %s, and keeps all else; who was there before goes on', async (_, work, outcome) => {
    const old = await connected()
    await filled(old, first, second)
    await query(`DROP TABLE "${schema}"."@fence"; UPDATE "${schema}"."@format" SET version = 2`)
    const backend = await connected()
    expect((await backend.reader(first).get(['a'])).map(textOf)).toEqual(['1'])
    expect(await backend.admin(first).marks(SHARD)).toEqual({ filled: true, shown: false })
    expect(await backend.writer(first).checkpoints(SHARD)).toEqual({ kind: 'lost' })
    expect(await work(backend)).toBe(outcome)
    expect(await query(`SELECT version FROM "${schema}"."@format"`)).toEqual([{ version: '3' }])
    expect((await old.reader(second).get(['a'])).map(textOf)).toEqual(['2'])
    expect(await old.writer(second).apply(SHARD, batch(0, 1, 2))).toEqual({ kind: 'applied' })
    await backend.admin(first).drop(SHARD)
    expect(await backend.admin(first).open(SHARD)).toBe('dropped')
  })
  it.each([
    ['serve', (of: ViewBackend) => of.admin(first).serve(SHARD, commandAt(1)), 'shown'],
    ['drop', (of: ViewBackend) => of.admin(first).drop(SHARD), undefined],
  ])('gets another by the next %s where somebody dropped the table', async (_, work, outcome) => {
    const backend = await connected()
    await filled(backend, first)
    await query(`DROP TABLE "${schema}"."@fence"`)
    expect(await work(backend)).toBe(outcome)
    await backend.admin(first).drop(SHARD)
    expect(await backend.admin(first).open(SHARD)).toBe('dropped')
  })
})
