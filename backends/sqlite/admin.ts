import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, identityOf } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import { checkpointZero, type OpenOutcome, vouchesFor } from '../../src/model/view-backend.ts'
import { readCheckpoints, writeCheckpoint } from './checkpoint.ts'
import type { SqliteFile } from './file.ts'
import { openingOf, SHARD, standingOf } from './standing.ts'
import { createStatements, dropStatements, tablesOf, viewStatement } from './tables.ts'

/** Rows a step of a drop deletes: the write lock is held for some tens of milliseconds. */
const DROP_STEP_ROWS = 5_000

/** Each of these runs inside one transaction that may write. */

export function open(file: SqliteFile, db: DatabaseSync, generation: Generation, anew: boolean): OpenOutcome {
  const standing = standingOf(file, generation)
  if (standing.kind === 'foreign') return standing
  if (standing.kind === 'open' && !anew && readCheckpoints(file, generation) !== undefined) return 'kept'
  const tables = tablesOf(generation)
  for (const statement of [...dropStatements(tables), ...createStatements(tables, generation.format)]) db.exec(statement)
  for (let partition = 0; partition < generation.partitions; partition++) {
    writeCheckpoint(file, generation, partition, checkpointZero)
  }
  const { uid, logId, topicId, definitionHash, shard } = identityOf(generation, SHARD)
  file
    .prepare(`INSERT INTO ${tables.identity} (uid, log_id, topic_id, definition_hash, shard, filled, opening) VALUES (?, ?, ?, ?, ?, 0, ?)`)
    .run(uid, logId, topicId, definitionHash, shard, randomUUID())
  return 'opened'
}

export function markFilled(file: SqliteFile, generation: Generation, opening: string, endOffsets: readonly Offset[]): boolean {
  if (standingOf(file, generation).kind !== 'open' || openingOf(file, generation) !== opening) return false
  const checkpoints = readCheckpoints(file, generation)
  if (checkpoints === undefined || !vouchesFor(checkpoints, endOffsets)) return false
  file.prepare(`UPDATE ${tablesOf(generation).identity} SET filled = 1`).run()
  return true
}

/** @throws view-lost, foreign-store */
export function serve(file: SqliteFile, db: DatabaseSync, generation: Generation): void {
  assertOpen(file, generation)
  const tables = tablesOf(generation)
  const wanted = viewStatement(tables)
  const found = namesake(file, generation)
  if (found?.sql === wanted) return
  if (found !== undefined && found.type !== 'view') {
    throw new LogfoldError('foreign-store', `The file holds ${tables.view} (${found.type}), which is not logfold's: the SQL view cannot be made`, {
      remedy: 'Rename it, or drop it',
    })
  }
  db.exec(`DROP VIEW IF EXISTS ${tables.view}`)
  db.exec(wanted)
}

/** Whether anything has the name of the SQL view. */
export const isShown = (file: SqliteFile, generation: Generation): boolean => namesake(file, generation) !== undefined

/** What has the name of the SQL view, and the statement that made it. A trigger may have it beside. */
function namesake(file: SqliteFile, generation: Generation): { readonly type: unknown; readonly sql: unknown } | undefined {
  const named = `SELECT type, sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type <> 'trigger'`
  const row = file.prepare(named).get(generation.view) as unknown[] | undefined
  return row === undefined ? undefined : { type: row[0], sql: row[1] }
}

/**
 * A part of a drop. The first takes the identity away, and the SQL view where it shows this generation; the last takes the tables. Where another identity
 * stands, nothing is done: somebody opened the name for something else.
 * @returns whether nothing is left to do.
 */
export function dropStep(file: SqliteFile, db: DatabaseSync, generation: Generation): boolean {
  const standing = standingOf(file, generation)
  if (standing.kind === 'foreign') return true
  const tables = tablesOf(generation)
  if (standing.kind === 'open') {
    file.prepare(`DELETE FROM ${tables.identity}`).run()
    if (namesake(file, generation)?.sql === viewStatement(tables)) db.exec(`DROP VIEW ${tables.view}`)
    return false
  }
  if (hasEntriesTable(file, generation) && deleteSome(file, generation) > 0) return false
  for (const statement of dropStatements(tables)) db.exec(statement)
  return true
}

function hasEntriesTable(file: SqliteFile, generation: Generation): boolean {
  const row = file.prepare(`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`).get(generationName(generation)) as
    | unknown[]
    | undefined
  return row?.[0] === 1
}

function deleteSome(file: SqliteFile, generation: Generation): number {
  const { entries } = tablesOf(generation)
  return Number(file.prepare(`DELETE FROM ${entries} WHERE rowid IN (SELECT rowid FROM ${entries} LIMIT ${DROP_STEP_ROWS})`).run().changes)
}

/** @throws view-lost, foreign-store */
export function assertOpen(file: SqliteFile, generation: Generation): { readonly filled: boolean } {
  const standing = standingOf(file, generation)
  if (standing.kind === 'open') return standing
  const name = generationName(generation)
  if (standing.kind === 'lost') throw new LogfoldError('view-lost', `The file does not hold ${name}`)
  throw new LogfoldError('foreign-store', `The file holds another ${name}, folded from something else`)
}
