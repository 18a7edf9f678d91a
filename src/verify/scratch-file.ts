import { rmSync } from 'node:fs'
import { openSqlite } from '../sqlite/open.ts'

const CACHE_BYTES = 32 * 1024 * 1024
/** A power cut may have left it so, or somebody else. */
const CORRUPT = 11
const NOT_A_DATABASE = 26

/**
 * - entries: what the log says of each id, in the words of `Expected`; `seen`: it stood where it should when its shard was scanned.
 * - folded: how far each partition has been folded into it, as a checkpoint.
 * - scans: how far each shard has been scanned.
 * - suspects: what is to be asked again; `mended`: the kind that a repair has been written for.
 */
const TABLES = `
  CREATE TABLE IF NOT EXISTS state (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), document TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS folded (partition INTEGER PRIMARY KEY, position INTEGER NOT NULL, vouched INTEGER NOT NULL, leader_epoch INTEGER NOT NULL,
    tombstones_removed_to INTEGER NOT NULL, at_end_ms INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, partition INTEGER NOT NULL, log_offset INTEGER NOT NULL,
    faulty_offset INTEGER NOT NULL, digest BLOB, in_two_partitions INTEGER NOT NULL DEFAULT 0, seen INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS scans (shard TEXT PRIMARY KEY, cursor TEXT, found INTEGER NOT NULL, ended INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS suspects (shard TEXT NOT NULL, id TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, mended TEXT,
    PRIMARY KEY (shard, id)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS differences (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, shard TEXT NOT NULL, id TEXT NOT NULL, place TEXT,
    repaired INTEGER NOT NULL, UNIQUE (shard, id));
  CREATE INDEX IF NOT EXISTS differences_by_kind ON differences (kind, repaired);`

export type ScratchFile = ReturnType<typeof openSqlite>

/**
 * Opens the file for this process alone: a second run on it would mix the two. A file that can't be read is no loss, and is made anew.
 * @throws where another process has it open
 */
export function openScratch(path: string): ScratchFile {
  try {
    return open(path)
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
    if (code !== CORRUPT && code !== NOT_A_DATABASE) throw error
    removeScratch(path)
    return open(path)
  }
}

/** Quicker than deleting what is in it, and the disk has its room back. */
export function removeScratch(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}

function open(path: string): ScratchFile {
  const db = openSqlite(path, { durability: 'normal', cacheBytes: CACHE_BYTES })
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE')
    // The lock is taken with the first transaction, and kept.
    db.exec(`BEGIN IMMEDIATE; ${TABLES} COMMIT`)
  } catch (error) {
    db.close()
    throw error
  }
  return db
}
