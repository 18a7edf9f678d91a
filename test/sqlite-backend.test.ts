import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import sqlite from '../backends/sqlite/index.ts'
import type { Generation } from '../src/model/generation.ts'
import { checkpointZero, type ViewBackend } from '../src/model/view-backend.ts'
import { at, batch, commandAt, markFilled, set, textOf } from './contract/backend/folding.ts'
import { generationOf } from './contract/backend/store.ts'
import { quiet } from './support/quiet.ts'

const SHARD = 'main'
const generation = generationOf({ partitions: 2 })

let dataDir: string
let path: string
let backends: ViewBackend[]

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'logfold-sqlite-'))
  path = join(dataDir, 'views.sqlite')
  backends = []
})

afterEach(async () => {
  for (const backend of backends) await backend.close()
  rmSync(dataDir, { recursive: true, force: true })
})

async function connect(logger = quiet): Promise<ViewBackend> {
  const backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'local', dataDir, logger, shards: [SHARD] })
  backends.push(backend)
  return backend
}

/** A backend with one entry, folded and filled. */
async function filled(of: Generation = generation): Promise<ViewBackend> {
  const backend = await connect()
  expect(await backend.admin(of).open(SHARD)).toBe('opened')
  const first = batch(0, 0, 8, [set('one', '{"title":"Baker","tags":[1]}', 7)])
  expect(await backend.writer(of).apply(SHARD, first)).toEqual({ kind: 'applied' })
  await markFilled(backend.admin(of), SHARD)
  return backend
}

/** What another program sees, over a connection of its own. */
function query(sql: string): unknown {
  const db = new DatabaseSync(path)
  try {
    return db
      .prepare(sql)
      .all()
      .map(row => ({ ...row }))
  } finally {
    db.close()
  }
}

function change(sql: string): void {
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
}

function removeAll(...suffixes: readonly string[]): void {
  for (const suffix of suffixes) rmSync(path + suffix, { force: true })
}

describe('what other programs find in the file', () => {
  it('entries, with their place in the log', async () => {
    await filled()
    expect(query('SELECT * FROM "job@1"')).toEqual([
      { key: 'one', value: '{"title":"Baker","tags":[1]}', log_partition: 0, log_offset: 7, log_time: 1_700_000_000_007 },
    ])
    expect(query('SELECT typeof(value) AS value, typeof(log_time) AS time FROM "job@1"')).toEqual([{ value: 'text', time: 'integer' }])
  })

  it('checkpoints and the identity', async () => {
    const backend = await filled()
    expect(query('SELECT * FROM "job@1/checkpoint"')).toEqual([
      { log_partition: 0, position: 8, vouched: 8, tombstones_removed_to: 2, leader_epoch: 4, at_end_ms: 1_700_000_000_123 },
      { log_partition: 1, position: 0, vouched: 0, tombstones_removed_to: -1, leader_epoch: -1, at_end_ms: 0 },
    ])
    const opening = await backend.admin(generation).opening(SHARD)
    expect(query('SELECT * FROM "job@1/identity"')).toEqual([
      { uid: 'uid of job@1', log_id: 'log', topic_id: 'topic', definition_hash: 'definition', shard: 'main', filled: 1, opening },
    ])
  })

  it('no name of the opening where an earlier logfold opened it: it is read and filled all the same, and has one when it is opened anew', async () => {
    await filled()
    change('UPDATE "job@1/identity" SET filled = 0')
    change('ALTER TABLE "job@1/identity" DROP COLUMN opening')
    const backend = await connect()
    const admin = backend.admin(generation)
    expect(await admin.open(SHARD)).toBe('kept')
    expect(await admin.opening(SHARD)).toBe('')
    expect(await admin.markFilled(SHARD, '', [8, 0])).toBe(true)
    expect((await backend.reader(generation).get(['one'])).map(textOf)).toEqual(['{"title":"Baker","tags":[1]}'])
    expect(await admin.open(SHARD, { anew: true })).toBe('opened')
    expect(await admin.opening(SHARD)).toMatch(/^[0-9a-f-]{36}$/)
    expect(await admin.markFilled(SHARD, '', [])).toBe(false)
  })

  it('bytes as a BLOB', async () => {
    const bytes = generationOf({ format: 'bytes' })
    const backend = await connect()
    await backend.admin(bytes).open(SHARD)
    await backend.writer(bytes).apply(SHARD, batch(0, 0, 1, [set('one', Uint8Array.of(0, 255))]))
    expect(query('SELECT hex(value) AS hex, typeof(value) AS type FROM "job@1"')).toEqual([{ hex: '00FF', type: 'blob' }])
  })

  it('a SQL view over the generation that serves, whose JSON can be asked for members', async () => {
    const next = generationOf({ number: 2, partitions: 2 })
    const backend = await filled()
    await backend.admin(generation).serve(SHARD, commandAt(1))
    expect(query(`SELECT key, value ->> '$.title' AS title, log_offset FROM job`)).toEqual([{ key: 'one', title: 'Baker', log_offset: 7 }])
    await backend.admin(next).open(SHARD)
    await backend.admin(next).serve(SHARD, commandAt(2))
    expect(query('SELECT * FROM job')).toEqual([])
  })

  it('no SQL view, once the generation it shows is dropped; and nothing else of it but the fence', async () => {
    const next = generationOf({ number: 2, partitions: 2 })
    const backend = await filled()
    await backend.admin(next).open(SHARD)
    await backend.admin(generation).serve(SHARD, commandAt(1))
    await backend.admin(next).drop(SHARD)
    expect(query('SELECT key FROM job')).toEqual([{ key: 'one' }])
    await backend.admin(generation).drop(SHARD)
    expect(query(`SELECT name FROM sqlite_schema WHERE type <> 'index'`)).toEqual([{ name: 'job/served' }, { name: 'job/dropped' }])
  })
})

describe('the file while the process runs', () => {
  it('is made by the first operation that needs it, and not by connect', async () => {
    const backend = await connect()
    await expect(backend.reader(generation).filled(SHARD)).rejects.toMatchObject({ code: 'view-lost' })
    expect(existsSync(path)).toBe(false)
    expect(await backend.ping(SHARD)).toBe(undefined)
    expect(existsSync(path)).toBe(true)
  })

  it.each([
    ['with what belongs to it', ['', '-wal', '-shm']],
    ['alone', ['']],
  ])('is deleted %s: lost, and folded again into a new one', async (_, suffixes) => {
    const backend = await filled()
    expect((await backend.reader(generation).get(['one'])).map(textOf)).toEqual(['{"title":"Baker","tags":[1]}'])
    removeAll(...suffixes)
    await expect(backend.reader(generation).get(['one'])).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.writer(generation).apply(SHARD, batch(0, 8, 9))).toEqual({ kind: 'lost' })
    expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'lost' })
    await expect(backend.reader(generation).get(['one'])).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.admin(generation).open(SHARD)).toBe('opened')
    expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 1, [set('two', '2')]))).toEqual({ kind: 'applied' })
    await markFilled(backend.admin(generation), SHARD)
    expect((await backend.reader(generation).get(['one', 'two'])).map(textOf)).toEqual([undefined, '2'])
    expect(query('SELECT key FROM "job@1"')).toEqual([{ key: 'two' }])
  })

  it('is deleted while another program has it open: the new file shares nothing with that program', async () => {
    const backend = await filled()
    const script = `const { DatabaseSync } = require('node:sqlite')
      const db = new DatabaseSync(process.argv[1])
      const count = () => console.log(JSON.stringify(db.prepare('SELECT count(*) AS entries FROM "job@1"').get()))
      process.stdin.on('data', count)
      count()`
    const other = spawn(process.execPath, ['-e', script, path], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      const lines = createInterface(other.stdout)[Symbol.asyncIterator]()
      expect((await lines.next()).value).toBe('{"entries":1}')
      removeAll('')
      expect(await backend.admin(generation).open(SHARD)).toBe('opened')
      for (let position = 0; position < 20; position++) {
        const given = batch(0, position, position + 1, [set(`id-${position}`, JSON.stringify('x'.repeat(50_000)))])
        expect(await backend.writer(generation).apply(SHARD, given)).toEqual({ kind: 'applied' })
      }
      other.stdin.write('again')
      expect((await lines.next()).value).toBe('{"entries":1}')
      expect((await backend.admin(generation).stats(SHARD)).entries).toBe(20)
    } finally {
      other.kill()
      await once(other, 'exit')
    }
    await backend.close()
    expect((await (await connect()).admin(generation).stats(SHARD)).entries).toBe(20)
  })

  it('is replaced by an older copy: the answers are the copy’s', async () => {
    const backend = await filled()
    change('PRAGMA wal_checkpoint(TRUNCATE)')
    copyFileSync(path, `${path}.old`)
    expect(await backend.writer(generation).apply(SHARD, batch(0, 8, 9, [set('two', '2')]))).toEqual({ kind: 'applied' })
    expect((await backend.reader(generation).get(['two'])).map(textOf)).toEqual(['2'])
    removeAll('-wal', '-shm')
    renameSync(`${path}.old`, path)
    expect((await backend.reader(generation).get(['one', 'two'])).map(textOf)).toEqual(['{"title":"Baker","tags":[1]}', undefined])
    expect(await backend.writer(generation).apply(SHARD, batch(0, 9, 10))).toEqual({ kind: 'elsewhere', checkpoint: at(8) })
  })

  it('loses its identity, or a checkpoint, or a table: lost', async () => {
    for (const sql of ['DELETE FROM "job@1/identity"', 'DELETE FROM "job@1/checkpoint" WHERE log_partition = 0', 'DROP TABLE "job@1"']) {
      const backend = await filled()
      change(sql)
      expect(await backend.writer(generation).apply(SHARD, batch(0, 8, 9)), sql).toEqual({ kind: 'lost' })
      expect(await backend.writer(generation).checkpoints(SHARD), sql).toEqual({ kind: 'lost' })
      expect(await backend.admin(generation).open(SHARD), sql).toBe('opened')
      removeAll('', '-wal', '-shm')
    }
  })

  it('is read by one backend while another writes', async () => {
    const [writing, reading] = [await filled(), await connect()]
    for (let position = 8; position < 20; position++) {
      await writing.writer(generation).apply(SHARD, batch(0, position, position + 1, [set('two', String(position))]))
      expect((await reading.reader(generation).get(['two'])).map(textOf)).toEqual([String(position)])
      expect(await reading.reader(generation).vouched(SHARD)).toEqual([position + 1, 0])
    }
  })
})

describe('a file that cannot be used', () => {
  it('is locked by another program: unavailable to the writer, read meanwhile, and fine afterwards', async () => {
    const said: string[] = []
    const note = (message: string) => void said.push(message)
    const backend = await connect({ ...quiet, info: note, warn: note })
    await backend.admin(generation).open(SHARD)
    await markFilled(backend.admin(generation), SHARD)
    const other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const outcome = await backend.writer(generation).apply(SHARD, batch(0, 0, 1))
    expect(outcome).toMatchObject({ kind: 'unavailable', cause: { code: 'view-unavailable', message: `${path}: database is locked` } })
    expect(await backend.reader(generation).vouched(SHARD)).toEqual([0, 0])
    other.close()
    expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 1))).toEqual({ kind: 'applied' })
    expect(said).toEqual(['The SQLite file does not answer', 'The SQLite file answers again'])
  })

  it('is no database: unavailable, until it is deleted', async () => {
    writeFileSync(path, 'no database at all '.repeat(1_000))
    const backend = await connect()
    const writer = backend.writer(generation)
    const cause = { code: 'view-unavailable', message: `${path}: file is not a database`, remedy: expect.stringContaining('deleted') }
    expect(await writer.apply(SHARD, batch(0, 0, 1))).toMatchObject({ kind: 'unavailable', cause })
    expect(await writer.checkpoints(SHARD)).toMatchObject({ kind: 'unavailable', cause })
    expect(await backend.ping(SHARD)).toMatchObject(cause)
    await expect(backend.reader(generation).get(['one'])).rejects.toMatchObject(cause)
    await expect(backend.admin(generation).open(SHARD)).rejects.toMatchObject(cause)
    removeAll('')
    expect(await writer.apply(SHARD, batch(0, 0, 1))).toEqual({ kind: 'lost' })
    expect(await backend.admin(generation).open(SHARD)).toBe('opened')
  })

  it('is a folder, or in one that is none: unavailable', async () => {
    mkdirSync(path)
    const backend = await connect()
    expect((await backend.writer(generation).apply(SHARD, batch(0, 0, 1))).kind).toBe('unavailable')
    writeFileSync(join(dataDir, 'file'), '')
    const below = await sqlite.connect({ path: 'file/views.sqlite' }, { name: 'local', dataDir, logger: quiet, shards: [SHARD] })
    backends.push(below)
    expect((await below.writer(generation).apply(SHARD, batch(0, 0, 1))).kind).toBe('unavailable')
  })

  it('does not take the data: refused, and neither ops nor checkpoint are written', async () => {
    const backend = await filled()
    change(`CREATE TRIGGER no_two BEFORE INSERT ON "job@1" WHEN NEW.key = 'two' BEGIN SELECT RAISE(ABORT, 'not two'); END`)
    const outcome = await backend.writer(generation).apply(SHARD, batch(0, 8, 11, [set('three', '3'), set('two', '2')]))
    expect(outcome).toMatchObject({ kind: 'refused', cause: { code: 'store-refused', message: `${path}: not two` } })
    const checkpoints = [at(8), checkpointZero]
    expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'open', checkpoints })
    expect(query('SELECT key FROM "job@1"')).toEqual([{ key: 'one' }])
  })

  it('takes batches of several partitions that come at once, and one that is refused takes no other along', async () => {
    const backend = await filled()
    change(`CREATE TRIGGER no_two BEFORE INSERT ON "job@1" WHEN NEW.key = 'two' BEGIN SELECT RAISE(ABORT, 'not two'); END`)
    const writer = backend.writer(generation)
    const [first, ...others] = await Promise.all([
      writer.apply(SHARD, batch(0, 8, 8)),
      writer.apply(SHARD, batch(0, 8, 9, [set('two', '2')])),
      writer.apply(SHARD, batch(1, 0, 3, [set('three', '3')])),
      writer.apply(SHARD, batch(1, 5, 6, [set('four', '4')])),
    ])
    expect(first).toEqual({ kind: 'applied' })
    expect(others.map(({ kind }) => kind)).toEqual(['refused', 'applied', 'elsewhere'])
    expect(await writer.checkpoints(SHARD)).toEqual({ kind: 'open', checkpoints: [at(8), at(3)] })
    expect(query('SELECT key FROM "job@1" ORDER BY key')).toEqual([{ key: 'one' }, { key: 'three' }])
  })

  it('has no table for a view whose name SQLite keeps for itself', async () => {
    const backend = await connect()
    const kept = generationOf({ view: 'sqlite_jobs' })
    await expect(backend.admin(kept).open(SHARD)).rejects.toMatchObject({ code: 'config-invalid' })
  })
})
