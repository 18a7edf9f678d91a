import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, identityOf } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import { type CommandPlace, checkpointZero, type OpenOutcome, vouchesFor } from '../../src/model/view-backend.ts'
import { readCheckpoints, writeCheckpoint } from './checkpoint.ts'
import { isOutdated, recordDropped, recordServed, wasDropped } from './fence.ts'
import type { SqliteFile } from './file.ts'
import { openingOf, SHARD, standingOf, tableStands } from './standing.ts'
import { createStatements, dropStatements, isViewStatement, tablesOf, viewStatement } from './tables.ts'

/** Rows a step of a drop deletes: the write lock is held for some tens of milliseconds. */
const DROP_STEP_ROWS = 5_000

/** Each of these runs inside one transaction that may write. */

export function open(file: SqliteFile, db: DatabaseSync, generation: Generation, anew: boolean): OpenOutcome {
  if (wasDropped(file, generation)) return 'dropped'
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
export function serve(file: SqliteFile, db: DatabaseSync, generation: Generation, since: CommandPlace): 'shown' | 'outdated' {
  assertOpen(file, generation)
  if (isOutdated(file, generation, since)) return 'outdated'
  const tables = tablesOf(generation)
  const found = namesake(file, generation)
  if (found?.shows === 'nothing of ours') {
    throw new LogfoldError('foreign-store', `The file holds ${tables.view} (${found.type}), which is not logfold's: the SQL view cannot be made`, {
      remedy: 'Rename it, or drop it',
    })
  }
  if (found?.shows === 'another') db.exec(`DROP VIEW ${tables.view}`)
  if (found?.shows !== 'this') db.exec(viewStatement(tables))
  recordServed(file, db, generation, since)
  return 'shown'
}

/** Whether `serve` has nothing to do: the SQL view shows this generation, or something else has its name. */
export function isShown(file: SqliteFile, generation: Generation): boolean {
  const found = namesake(file, generation)
  return found !== undefined && found.shows !== 'another'
}

interface Namesake {
  readonly type: unknown
  /** This generation, another of the view; or it is somebody else's. */
  readonly shows: 'this' | 'another' | 'nothing of ours'
}

/** What has the name of the SQL view. A trigger may have it beside. */
function namesake(file: SqliteFile, generation: Generation): Namesake | undefined {
  const named = `SELECT type, sql FROM sqlite_schema WHERE name = ? COLLATE NOCASE AND type <> 'trigger'`
  const row = file.prepare(named).get(generation.view) as unknown[] | undefined
  if (row === undefined) return undefined
  const [type, sql] = row
  if (sql === viewStatement(tablesOf(generation))) return { type, shows: 'this' }
  const isOurs = type === 'view' && typeof sql === 'string' && isViewStatement(sql, generation.view)
  return { type, shows: isOurs ? 'another' : 'nothing of ours' }
}

/**
 * A part of a drop. The first takes the identity away, and the SQL view where it shows this generation, and writes the fence; the last takes the tables. Where another
 * identity stands, it stays: somebody opened the name for something else.
 * @returns whether nothing is left to do.
 */
export function dropStep(file: SqliteFile, db: DatabaseSync, generation: Generation): boolean {
  const standing = standingOf(file, generation)
  if (standing.kind === 'open' || !wasDropped(file, generation)) {
    recordDropped(file, db, generation)
    if (standing.kind !== 'foreign') takeIdentity(file, db, generation)
    return false
  }
  if (standing.kind === 'foreign') return true
  if (tableStands(file, generationName(generation)) && deleteSome(file, generation) > 0) return false
  for (const statement of dropStatements(tablesOf(generation))) db.exec(statement)
  return true
}

function takeIdentity(file: SqliteFile, db: DatabaseSync, generation: Generation): void {
  const tables = tablesOf(generation)
  db.exec(`DROP TABLE IF EXISTS ${tables.identity}`)
  if (namesake(file, generation)?.shows === 'this') db.exec(`DROP VIEW ${tables.view}`)
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
