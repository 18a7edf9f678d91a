import { rmSync, statSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { isCodeFault, isLogfoldError, LogfoldError, messageOf } from '../../src/model/errors.ts'
import { openSqlite } from '../../src/sqlite/open.ts'

/** How long an operation waits for a lock that somebody else has on the file. */
const LOCK_WAIT_MS = 2_000
/** 64 MB of write-ahead log before its pages are moved to the file: a fold of many ids writes the same pages of the index again and again. SQLite's default is 1,000. */
const WAL_PAGES = 16_384
/** Above this many prepared statements (a dozen a generation) all are given up and made again when needed. */
const STATEMENTS_MAX = 500

const SQLITE_BUSY = 5
/** The codes of SQLite that speak of the data or the statement, not of the file: repeating changes nothing. */
const REFUSING_CODES: ReadonlySet<number> = new Set([
  1, // SQLITE_ERROR: the tables have another shape than ours
  18, // SQLITE_TOOBIG
  19, // SQLITE_CONSTRAINT
  20, // SQLITE_MISMATCH
  25, // SQLITE_RANGE
])

/** Only the writer makes a file, so that two threads never do at the same time; and only it can be refused. */
type Role = 'writer' | 'reader'

/**
 * A connection that is opened when first needed, and again when the file at the path is another one: on a file that was deleted or replaced, reads and writes
 * would go on without an error, and all of it would be gone with the process. Lives in a worker thread.
 */
export class SqliteFile {
  readonly #path: string
  readonly #cacheBytes: number
  readonly #role: Role
  readonly #statements = new Map<string, StatementSync>()
  #open: { readonly db: DatabaseSync; readonly inode: string } | undefined

  constructor(path: string, options: { readonly cacheBytes: number; readonly role: Role }) {
    this.#path = path
    this.#cacheBytes = options.cacheBytes
    this.#role = options.role
  }

  /**
   * Runs `work` on the file that is at the path now.
   * @throws what `work` throws where that is a `LogfoldError`, or a fault in code. @throws view-lost to a reader where there is no file.
   * @throws store-refused to a writer where SQLite doesn't take the data or the statement. @throws view-unavailable for everything else.
   */
  use<T>(work: (db: DatabaseSync) => T): T {
    try {
      return work(this.#current())
    } catch (error) {
      if (isLogfoldError(error) || isCodeFault(error)) throw error
      if (errcodeOf(error) !== SQLITE_BUSY) this.close()
      throw this.#explained(error)
    }
  }

  /** A statement that gives rows as arrays, prepared once a connection. Only inside `use`. */
  prepare(sql: string): StatementSync {
    const db = this.#open?.db
    if (db === undefined) throw new LogfoldError('internal', 'prepare needs an open file')
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = db.prepare(sql)
      statement.setReturnArrays(true)
      if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear()
      this.#statements.set(sql, statement)
    }
    return statement
  }

  close(): void {
    this.#statements.clear()
    this.#open?.db.close()
    this.#open = undefined
  }

  #current(): DatabaseSync {
    const inode = inodeOf(this.#path)
    if (this.#open !== undefined && this.#open.inode === inode) return this.#open.db
    this.close()
    if (inode === undefined) {
      if (this.#role === 'reader') throw new LogfoldError('view-lost', `There is no file ${this.#path}`)
      // Left by a file that was deleted alone. Another connection may still have them open; the new file must not share them.
      for (const suffix of ['-wal', '-shm']) rmSync(this.#path + suffix, { force: true })
    }
    const db = openSqlite(this.#path, { durability: 'normal', cacheBytes: this.#cacheBytes })
    try {
      db.exec(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}; PRAGMA wal_autocheckpoint = ${WAL_PAGES}`)
      const opened = inodeOf(this.#path)
      if (opened === undefined || (inode ?? opened) !== opened) throw new Error('the file was replaced while it was opened')
      this.#open = { db, inode: opened }
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }

  #explained(error: unknown): LogfoldError {
    const ofData = REFUSING_CODES.has(errcodeOf(error) ?? 0) || error instanceof TypeError || error instanceof RangeError
    const refused = ofData && this.#role === 'writer'
    return new LogfoldError(refused ? 'store-refused' : 'view-unavailable', `${this.#path}: ${messageOf(error)}`, {
      remedy: refused
        ? 'If another program changed the tables, delete the file: it will be folded again from the log'
        : 'Check that the file and its folder can be written, that no other program locks it, and that the disk is not full. A damaged file may be deleted: it will be folded again from the log',
      cause: error,
    })
  }
}

/** A number that no other file has while this one exists or is open. Undefined where there is no file. */
function inodeOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`
}

/** SQLite's primary result code: the low byte of the extended one. */
function errcodeOf(error: unknown): number | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'errcode') : undefined
  return typeof code === 'number' ? code & 0xff : undefined
}
