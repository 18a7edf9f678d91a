import { type Generation, generationName, type Identity, identityDifference, identityOf } from '../../src/model/generation.ts'
import type { SqliteFile } from './file.ts'
import { tablesOf } from './tables.ts'

/** The one shard's name: a part of the identity, so it never changes. */
export const SHARD = 'main'

export type Standing =
  | { readonly kind: 'open'; readonly filled: boolean }
  | { readonly kind: 'lost' }
  | { readonly kind: 'foreign'; readonly found: Identity }

/** Whose data a file holds under a generation's name. Inside a transaction, so that it goes for what else is read there. */
export function standingOf(file: SqliteFile, generation: Generation): Standing {
  if (!tablesStand(file, generation)) return { kind: 'lost' }
  const row = file.prepare(`SELECT uid, log_id, topic_id, definition_hash, shard, filled FROM ${tablesOf(generation).identity}`).get() as
    | IdentityRow
    | undefined
  if (row === undefined) return { kind: 'lost' }
  const [uid, logId, topicId, definitionHash, shard, filled] = row
  const found: Identity = { uid, logId, topicId, definitionHash, shard }
  const foreign = identityDifference(identityOf(generation, SHARD), found) !== undefined
  return foreign ? { kind: 'foreign', found } : { kind: 'open', filled: filled === 1 }
}

type IdentityRow = unknown[] & readonly [string, string, string, string, string, number]

/** Of a generation that is open, by its present opening. A file that an earlier logfold made has no column for it until the generation is opened anew. */
export function openingOf(file: SqliteFile, generation: Generation): string {
  const name = `${generationName(generation)}/identity`
  const [columns] = file.prepare(`SELECT count(*) FROM pragma_table_info(?) WHERE name = 'opening'`).get(name) as unknown as [number]
  if (columns === 0) return ''
  const [opening] = file.prepare(`SELECT opening FROM ${tablesOf(generation).identity}`).get() as unknown as [string]
  return opening
}

export function tableStands(file: SqliteFile, name: string): boolean {
  const row = file.prepare(`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`).get(name) as unknown[] | undefined
  return row?.[0] === 1
}

function tablesStand(file: SqliteFile, generation: Generation): boolean {
  const name = generationName(generation)
  const row = file
    .prepare(`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (?, ?, ?)`)
    .get(name, `${name}/checkpoint`, `${name}/identity`) as unknown[] | undefined
  return row?.[0] === 3
}
