import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import sqlite from '../backends/sqlite/index.ts'
import { isAnswer } from '../src/model/errors.ts'
import type { ViewAdmin, ViewBackend } from '../src/model/view-backend.ts'
import { batch, commandAt, markFilled, set } from './contract/backend/folding.ts'
import { generationOf } from './contract/backend/store.ts'
import { quiet } from './support/quiet.ts'

const SHARD = 'main'
const generation = generationOf()
let folder: string
let backend: ViewBackend
let admin: ViewAdmin

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'logfold-answers-'))
  backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'local', dataDir: folder, logger: quiet, shards: [SHARD] })
  admin = backend.admin(generation)
  await admin.open(SHARD)
  await backend.writer(generation).apply(SHARD, batch(0, 0, 1, [set('one', '1')]))
  await markFilled(admin, SHARD)
})
afterEach(async () => {
  await backend.close()
  rmSync(folder, { recursive: true, force: true })
})

/** As another program, over a connection of its own. */
function query(sql: string): unknown {
  using file = new DatabaseSync(join(folder, 'views.sqlite'))
  return file
    .prepare(sql)
    .all()
    .map(row => ({ ...row }))
}

describe('the SQL view', () => {
  it('that somebody dropped is missed, and made again', async () => {
    await admin.serve(SHARD, commandAt(1))
    expect(await admin.marks(SHARD)).toEqual({ filled: true, shown: true })
    query('DROP VIEW job')
    expect(await admin.marks(SHARD)).toEqual({ filled: true, shown: false })
    await admin.serve(SHARD, commandAt(1))
    expect(query('SELECT key FROM job')).toEqual([{ key: 'one' }])
  })

  it('is not put in the place of somebody’s own table', async () => {
    query('CREATE TABLE job (mine)')
    expect(await admin.marks(SHARD)).toEqual({ filled: true, shown: true })
    await expect(admin.serve(SHARD, commandAt(1))).rejects.toMatchObject({ code: 'foreign-store', remedy: expect.stringContaining('Rename') })
    expect(query('SELECT * FROM job')).toEqual([])
  })

  it('is not put in the place of somebody’s own SQL view, nor dropped with the generation that such a one shows', async () => {
    query('CREATE VIEW job AS SELECT key FROM "job@1"')
    expect(await admin.marks(SHARD)).toEqual({ filled: true, shown: true })
    await expect(admin.serve(SHARD, commandAt(1))).rejects.toMatchObject({ code: 'foreign-store', remedy: expect.stringContaining('Rename') })
    await admin.drop(SHARD)
    expect(query(`SELECT name FROM sqlite_schema WHERE name = 'job'`)).toEqual([{ name: 'job' }])
  })

  it('that shows another generation is missed, by the one that is to serve', async () => {
    const next = generationOf({ number: 2 })
    await backend.admin(next).open(SHARD)
    await admin.serve(SHARD, commandAt(1))
    expect(await backend.admin(next).marks(SHARD)).toEqual({ filled: false, shown: false })
    expect(await backend.admin(next).serve(SHARD, commandAt(2))).toBe('shown')
    expect(await admin.marks(SHARD)).toEqual({ filled: true, shown: false })
    expect(await admin.serve(SHARD, commandAt(1))).toBe('outdated')
    expect(query('SELECT key FROM job')).toEqual([])
  })

  it('goes with the generation that it shows, and not with one whose name another identity has', async () => {
    const other = { ...generation, uid: 'another uid' }
    await admin.serve(SHARD, commandAt(1))
    await backend.admin(other).drop(SHARD)
    expect(query('SELECT key FROM job')).toEqual([{ key: 'one' }])
    query('DELETE FROM "job@1/identity"')
    await admin.drop(SHARD)
    expect(query('SELECT * FROM "job/served"')).toEqual([{ command_topic_id: 'control', command_offset: 1 }])
    expect(query('SELECT * FROM "job/dropped"')).toEqual([{ uid: 'another uid' }, { uid: generation.uid }])
    expect(query(`SELECT name FROM sqlite_schema WHERE name LIKE 'job%'`)).toEqual([{ name: 'job/served' }, { name: 'job/dropped' }])
  })

  it('is made beside somebody’s trigger of its name', async () => {
    query('CREATE TRIGGER job AFTER INSERT ON "job@1" BEGIN SELECT 1; END')
    expect(await admin.marks(SHARD)).toEqual({ filled: true, shown: false })
    await admin.serve(SHARD, commandAt(1))
    expect(query('SELECT key FROM job')).toEqual([{ key: 'one' }])
  })
})

describe('a file that can’t be used is answered for, and never a bug, whatever is asked, where', () => {
  const path = (): string => join(folder, 'views.sqlite')
  const remove = (): void => {
    for (const suffix of ['', '-wal', '-shm']) rmSync(path() + suffix, { force: true })
  }

  it.each([
    [
      'it is damaged',
      () => {
        remove()
        writeFileSync(path(), 'no database at all. '.repeat(500))
      },
    ],
    [
      'a folder stands in its place',
      () => {
        remove()
        mkdirSync(path())
      },
    ],
    [
      'a file stands in its folder’s place',
      () => {
        rmSync(folder, { recursive: true })
        writeFileSync(folder, '')
      },
    ],
    ['its tables have another shape', () => void query('ALTER TABLE "job@1/identity" RENAME COLUMN uid TO other')],
    ['its identity holds something else', () => void query('UPDATE "job@1/identity" SET uid = zeroblob(8), filled = 0.5, opening = 1')],
    ['its checkpoints hold something else', () => void query(`UPDATE "job@1/checkpoint" SET vouched = 'much', position = -1.5`)],
  ])('%s', async (_, spoil) => {
    const [reader, writer, opening] = [backend.reader(generation), backend.writer(generation), await admin.opening(SHARD)]
    spoil()
    const outcomes = await Promise.allSettled([
      reader.filled(SHARD),
      reader.vouched(SHARD),
      reader.get(['one']),
      admin.marks(SHARD),
      admin.opening(SHARD),
      admin.look(SHARD, ['one']),
      admin.stats(SHARD),
      admin.markFilled(SHARD, opening, [1]),
      admin.serve(SHARD, commandAt(1)),
      admin.drop(SHARD),
      admin.open(SHARD),
      writer.checkpoints(SHARD),
      backend.capacity(SHARD),
      backend.ping(SHARD),
    ])
    expect(outcomes.filter(outcome => outcome.status === 'rejected' && !isAnswer(outcome.reason))).toEqual([])
  })
})

it('what the code of a thread gets wrong is a bug, and neither an outage nor refused data', async () => {
  const broken = undefined as never
  const bug = { name: 'Error', message: expect.stringContaining('undefined') }
  await expect(backend.reader(generation).get(broken)).rejects.toMatchObject(bug)
  await expect(backend.writer(broken).apply(SHARD, batch(0, 8, 9))).rejects.toMatchObject(bug)
  await expect(backend.writer(broken).checkpoints(SHARD)).rejects.toMatchObject(bug)
  expect(await backend.reader(generation).get(['one'])).toHaveLength(1)
})
