import { workerData } from 'node:worker_threads'
import { cursorOf, idOf } from '../../src/model/cursor.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import { limits } from '../../src/model/limits.ts'
import type { Checkpoint, ListOptions, Marks, ScanOptions } from '../../src/model/view-backend.ts'
import { transaction } from '../../src/sqlite/open.ts'
import { moving, serve } from '../../src/sqlite/thread-host.ts'
import { assertOpen, isShown } from './admin.ts'
import { readCheckpoints } from './checkpoint.ts'
import { SqliteFile } from './file.ts'
import { type Packed, packEntries, packValues, type Row } from './packing.ts'
import { lookAt, type ScanPage, scanPage } from './scan.ts'
import { openingOf, standingOf } from './standing.ts'
import { tablesOf } from './tables.ts'

const CACHE_BYTES = 8 * 1024 * 1024
const COUNT_STEP_ROWS = 20_000
/** No byte of UTF-8 is 0xff, so a prefix with this behind it comes after everything that begins with the prefix, and before everything that comes later. */
const AFTER_ALL = Buffer.from([0xff])

const file = new SqliteFile(String(workerData), { cacheBytes: CACHE_BYTES, role: 'reader' })

/** Reads in one transaction with the identity: what it gives, and that it is this generation's, are true at the same moment. */
const read = <T>(work: () => T): T => file.use(db => transaction(db, 'deferred', work))

const functions = {
  get: (generation: Generation, ids: readonly string[]): Packed =>
    read(() => {
      assertFilled(generation)
      const select = file.prepare(`SELECT CAST(value AS BLOB) FROM ${tablesOf(generation).entries} WHERE key = ?`)
      return moved(packValues(ids.map(id => (select.get(id) as unknown as [Uint8Array] | undefined)?.[0])))
    }),

  list: (generation: Generation, options: ListOptions): { readonly page: Packed; readonly cursor: string | undefined } =>
    read(() => {
      assertFilled(generation)
      const { rows, more } = selectPage(generation, options)
      const last = rows.at(-1)
      const page = packEntries(rows)
      const cursor = more && last !== undefined ? cursorOf(last[0]) : undefined
      return moving({ page, cursor }, [page.bytes])
    }),

  vouched: (generation: Generation): readonly number[] =>
    read(() => {
      assertOpen(file, generation)
      return assertCheckpoints(generation).map(checkpoint => checkpoint.vouched)
    }),

  filled: (generation: Generation): boolean => read(() => assertOpen(file, generation).filled),

  marks: (generation: Generation): Marks => read(() => ({ filled: assertOpen(file, generation).filled, shown: isShown(file, generation) })),

  opening: (generation: Generation): string =>
    read(() => {
      assertOpen(file, generation)
      return openingOf(file, generation)
    }),

  scan: (generation: Generation, options: ScanOptions): ScanPage =>
    read(() => {
      assertOpen(file, generation)
      const result = scanPage(file, generation, options)
      return moving(result, [result.page.bytes])
    }),

  look: (generation: Generation, ids: readonly string[]): { readonly values: Packed; readonly checkpoints: readonly Checkpoint[] } =>
    read(() => {
      assertOpen(file, generation)
      const values = lookAt(file, generation, ids)
      return moving({ values, checkpoints: assertCheckpoints(generation) }, [values.bytes])
    }),

  /** Counts a stretch of entries, from the start or after an id. `last` is where to go on; undefined at the end, and where nothing is there. */
  countStep: (generation: Generation, after: string | undefined): { readonly entries: number; readonly last: string | undefined } =>
    read(() => {
      if (standingOf(file, generation).kind !== 'open') return { entries: 0, last: undefined }
      const row = file
        .prepare(
          `SELECT count(*), max(key) FROM
             (SELECT key FROM ${tablesOf(generation).entries} WHERE key > ? ORDER BY key LIMIT ${COUNT_STEP_ROWS})`,
        )
        .get(after ?? '') as unknown as [number, string | null]
      return { entries: row[0], last: row[0] < COUNT_STEP_ROWS ? undefined : (row[1] ?? undefined) }
    }),

  close: () => file.close(),
}

export type ReaderFunctions = typeof functions

const moved = (packed: Packed): Packed => moving(packed, [packed.bytes])

function assertFilled(generation: Generation): void {
  if (assertOpen(file, generation).filled) return
  throw new LogfoldError('view-folding', `${generationName(generation)} is not filled yet`)
}

/** @throws view-lost where one is missing */
function assertCheckpoints(generation: Generation): readonly Checkpoint[] {
  const checkpoints = readCheckpoints(file, generation)
  if (checkpoints !== undefined) return checkpoints
  throw new LogfoldError('view-lost', `The file lacks a checkpoint of ${generationName(generation)}`)
}

/** One row more than the page is asked for, to know whether there is one. */
function selectPage(generation: Generation, options: ListOptions): { readonly rows: readonly Row[]; readonly more: boolean } {
  const prefix = Buffer.from(options.prefix ?? '')
  const cursor = options.cursor === undefined ? undefined : idOf(options.cursor)
  const goesOn = cursor !== undefined && Buffer.compare(cursor, prefix) >= 0
  const select = file.prepare(
    `SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM ${tablesOf(generation).entries}
     WHERE key ${goesOn ? '>' : '>='} CAST(? AS TEXT) AND key < CAST(? AS TEXT) ORDER BY key LIMIT ?`,
  )
  const rows: Row[] = []
  let bytes = 0
  for (const row of select.iterate(goesOn ? cursor : prefix, Buffer.concat([prefix, AFTER_ALL]), options.limit + 1)) {
    if (rows.length === options.limit || bytes > limits.pageBytes) return { rows, more: true }
    const entry = row as unknown as Row
    rows.push(entry)
    bytes += entry[0].length + entry[1].length
  }
  return { rows, more: false }
}

serve(functions)
