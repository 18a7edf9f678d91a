import type { DatabaseSync } from 'node:sqlite'
import type { Generation } from '../../src/model/generation.ts'
import type { CommandPlace } from '../../src/model/view-backend.ts'
import type { SqliteFile } from './file.ts'
import { tableStands } from './standing.ts'
import { tablesOf } from './tables.ts'

/**
 * A view's fence, in two tables that stay when its generations go: `job/dropped`, a row a generation, and `job/served`, at most one row. Each of these runs inside the
 * transaction of what it guards. A file that an earlier logfold made has no such tables until something is to be written there.
 */

export function wasDropped(file: SqliteFile, generation: Generation): boolean {
  if (!tableStands(file, `${generation.view}/dropped`)) return false
  return file.prepare(`SELECT uid FROM ${tablesOf(generation).dropped} WHERE uid = ?`).get(generation.uid) !== undefined
}

export function recordDropped(file: SqliteFile, db: DatabaseSync, generation: Generation): void {
  const { dropped } = tablesOf(generation)
  db.exec(`CREATE TABLE IF NOT EXISTS ${dropped} (uid TEXT PRIMARY KEY NOT NULL)`)
  file.prepare(`INSERT OR IGNORE INTO ${dropped} (uid) VALUES (?)`).run(generation.uid)
}

/** Whether people were shown a generation by a newer command of the same topic. */
export function isOutdated(file: SqliteFile, generation: Generation, since: CommandPlace): boolean {
  if (!tableStands(file, `${generation.view}/served`)) return false
  const newer = `SELECT command_offset FROM ${tablesOf(generation).served} WHERE command_topic_id = ? AND command_offset > ?`
  return file.prepare(newer).get(since.topicId, since.offset) !== undefined
}

export function recordServed(file: SqliteFile, db: DatabaseSync, generation: Generation, since: CommandPlace): void {
  const { served } = tablesOf(generation)
  db.exec(`CREATE TABLE IF NOT EXISTS ${served} (command_topic_id TEXT NOT NULL, command_offset INTEGER NOT NULL)`)
  file.prepare(`DELETE FROM ${served}`).run()
  file.prepare(`INSERT INTO ${served} (command_topic_id, command_offset) VALUES (?, ?)`).run(since.topicId, since.offset)
}
