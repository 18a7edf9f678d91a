import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LogfoldError } from '../model/errors.ts'

/** SQLite 3.7.0 to 3.51.2 can corrupt a database in WAL mode (sqlite.org/wal.html, "the WAL-reset bug"). */
const VERSION_MIN = [3, 51, 3] as const

/** How long a statement waits for another connection's lock. */
const BUSY_TIMEOUT_MS = 10_000
const BUSY = 5

export interface OpenOptions {
  /** `full`: a commit is on stable storage when it returns. `normal`: a power cut may take the last commits, never half of one. */
  readonly durability: 'full' | 'normal'
  readonly cacheBytes: number
}

/** Opens (and makes) a file in WAL mode. Several processes and threads may have it open, each over a connection of its own. */
export function openSqlite(path: string, options: OpenOptions): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true })
  const db = new DatabaseSync(path)
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`)
    assertVersion(db)
    enterWal(db)
    db.exec(`PRAGMA synchronous = ${options.durability === 'full' ? 'FULL' : 'NORMAL'}`)
    db.exec(`PRAGMA cache_size = ${-Math.ceil(options.cacheBytes / 1024)}`)
    db.exec('PRAGMA temp_store = MEMORY')
  } catch (error) {
    db.close()
    throw error
  }
  return db
}

/**
 * Two connections that turn a new file to WAL at once would wait for each other, so SQLite gives up here at once, whatever `busy_timeout` says.
 * Trying again is enough: by then the other has done it.
 */
function enterWal(db: DatabaseSync): void {
  const untilMs = performance.now() + BUSY_TIMEOUT_MS
  for (;;) {
    try {
      db.exec('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      // The low byte of an extended code is what happened; the rest says where.
      const isBusy = error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === BUSY
      if (!isBusy || performance.now() > untilMs) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

function assertVersion(db: DatabaseSync): void {
  const version = String(db.prepare('SELECT sqlite_version() AS version').get()?.version)
  const parts = version.split('.').map(Number)
  for (const [at, least] of VERSION_MIN.entries()) {
    const part = parts[at] ?? 0
    if (part > least) return
    if (part < least) {
      throw new LogfoldError('node-too-old', `Node.js ${process.versions.node} brings SQLite ${version}, which can corrupt a file in WAL mode`, {
        remedy: `Use a Node.js with SQLite ${VERSION_MIN.join('.')} or later; node -p process.versions.sqlite tells`,
      })
    }
  }
}

/** Runs `work` in one transaction: all of it is committed, or none. `immediate` takes the write lock first. */
export function transaction<T>(db: DatabaseSync, mode: 'deferred' | 'immediate', work: () => T): T {
  db.exec(mode === 'immediate' ? 'BEGIN IMMEDIATE' : 'BEGIN')
  let result: T
  try {
    result = work()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
  return result
}
