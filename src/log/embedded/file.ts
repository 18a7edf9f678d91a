import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { LogfoldError } from '../../model/errors.ts'
import { type OpenOptions, openSqlite, transaction } from '../../sqlite/open.ts'

/** Marks the file as ours (`PRAGMA application_id`): the letters LFLG. */
const APPLICATION_ID = 0x4c464c47
const FORMAT = 1

/** A log has three connections a process, each with a page cache of this size. */
const CACHE_BYTES = 4 * 1024 * 1024
/** SQLite cuts its write-ahead log back to this after a burst. */
const WAL_BYTES_KEPT = 64 * 1024 * 1024

export const OFFSETS_PER_PARTITION = 2 ** 40
/** Partitions of all topics of a file, so that a place is a safe integer. */
export const PARTITIONS_PER_FILE_MAX = 2 ** 13

/** Where a record is in the table: partitions lie one behind another, so that appending to one and reading it both go by rowid alone. */
export const placeOf = (number: number, offset: number): number => number * OFFSETS_PER_PARTITION + offset

/**
 * The layout, for programs that read the file without us.
 *
 * A partition has a number of its own in the file: `topics.first_number` plus the partition. A record's `place` is `number << 40 | offset`. `key` is
 * null where a producer gave none, `value` is null in a tombstone. All records of a topic, partition by partition, in order of offset:
 *
 *     SELECT (place >> 40) - first_number AS partition, place & ((1 << 40) - 1) AS "offset", time_ms, key, value
 *     FROM topics JOIN records ON place >= (first_number << 40) AND place < (first_number + partitions) << 40
 *     WHERE name = 'job' ORDER BY place
 *
 * What compaction goes by, and keeps:
 * - topics.delete_after_ms: a record that is older goes, whatever it is. Null: none goes for its age alone.
 * - records.stamped_ms: when it first reached this tombstone; the tombstone goes `deleteRetentionMs` later.
 * - partitions.bytes, dirty_bytes: keys and values in the partition, and those appended since the last pass.
 * - partitions.compacted_to: below this offset no key occurs twice.
 * - partitions.oldest_stamp_ms: of the tombstones that the last pass left.
 * - partitions.tombstones_removed_to: the highest offset of a tombstone that was removed for its age; -1 before the first.
 */
const LAYOUT = `
  CREATE TABLE log (
    id TEXT NOT NULL,
    format INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE topics (
    name TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    first_number INTEGER NOT NULL,
    record_bytes_max INTEGER NOT NULL,
    delete_after_ms INTEGER
  ) STRICT;
  CREATE TABLE partitions (
    number INTEGER PRIMARY KEY,
    next_offset INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    dirty_bytes INTEGER NOT NULL DEFAULT 0,
    compacted_to INTEGER NOT NULL DEFAULT 0,
    oldest_stamp_ms INTEGER,
    tombstones_removed_to INTEGER NOT NULL DEFAULT -1
  ) STRICT;
  CREATE TABLE records (
    place INTEGER PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    key BLOB,
    value BLOB,
    stamped_ms INTEGER
  ) STRICT;
  CREATE TABLE lease (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
  ) STRICT;
`

export interface LogFile {
  readonly db: DatabaseSync
  readonly logId: string
}

/**
 * Opens the file of a log, and makes it where there is none.
 * @throws foreign-store where the file is something else, or was written by a newer logfold.
 */
export function openLogFile(path: string, durability: OpenOptions['durability'] = 'full'): LogFile {
  const db = openSqlite(path, { durability, cacheBytes: CACHE_BYTES })
  try {
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`)
    if (applicationId(db) !== APPLICATION_ID) transaction(db, 'immediate', () => layOut(db, path))
    const row = db.prepare('SELECT id, format FROM log').get()
    if (row?.format !== FORMAT) {
      throw new LogfoldError('foreign-store', `The log file ${path} has format ${row?.format}; this logfold knows ${FORMAT}`, {
        remedy: 'Start the logfold that wrote it, or a newer one',
      })
    }
    if (!hasDeleteAfter(db)) transaction(db, 'immediate', () => addDeleteAfter(db))
    return { db, logId: String(row.id) }
  } catch (error) {
    db.close()
    throw error
  }
}

const applicationId = (db: DatabaseSync): unknown => db.prepare('PRAGMA application_id').get()?.application_id

const hasDeleteAfter = (db: DatabaseSync): boolean =>
  db.prepare("SELECT name FROM pragma_table_info('topics') WHERE name = 'delete_after_ms'").get() !== undefined

/** A file from before there was this column has no topic that would need it, and whoever wrote it goes on without. */
function addDeleteAfter(db: DatabaseSync): void {
  if (!hasDeleteAfter(db)) db.exec('ALTER TABLE topics ADD COLUMN delete_after_ms INTEGER')
}

/** Looks again under the write lock: two processes may start on an empty folder at once. */
function layOut(db: DatabaseSync, path: string): void {
  const found = applicationId(db)
  if (found === APPLICATION_ID) return
  if (found !== 0 || db.prepare('SELECT name FROM sqlite_schema').get() !== undefined) {
    throw new LogfoldError('foreign-store', `${path} is a SQLite file, but not a log`, {
      remedy: 'Give log.path a file of its own',
    })
  }
  db.exec(LAYOUT)
  db.prepare('INSERT INTO log (id, format) VALUES (?, ?)').run(randomUUID(), FORMAT)
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
}
