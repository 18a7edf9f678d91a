import type { Generation, Identity } from '../../src/model/view-backend.ts'
import { generationName, identityDifference, identityOf } from '../../src/model/view-backend.ts'
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

function tablesStand(file: SqliteFile, generation: Generation): boolean {
  const name = generationName(generation)
  const row = file
    .prepare(`SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (?, ?, ?)`)
    .get(name, `${name}/checkpoint`, `${name}/identity`) as unknown[] | undefined
  return row?.[0] === 3
}
