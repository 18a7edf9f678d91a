import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, type ViewFormat } from '../../src/model/generation.ts'

/** The names of a generation's tables, and of its view's, quoted for SQL. `@` and `/` can't be in a view's name, so no two of them meet. */
export interface Tables {
  readonly entries: string
  readonly checkpoint: string
  readonly identity: string
  /** What people query: the entries of the generation that serves. */
  readonly view: string
  /** The view's fence. */
  readonly dropped: string
  readonly served: string
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** @throws config-invalid for a view SQLite can't have a table for. */
export function tablesOf(generation: Generation): Tables {
  if (generation.view.startsWith('sqlite_')) {
    throw new LogfoldError('config-invalid', `SQLite keeps names that begin with sqlite_ for itself: view ${generation.view}`, {
      remedy: 'Give the view another name, or another kind of backend',
    })
  }
  const name = generationName(generation)
  return {
    entries: quoted(name),
    checkpoint: quoted(`${name}/checkpoint`),
    identity: quoted(`${name}/identity`),
    view: quoted(generation.view),
    dropped: quoted(`${generation.view}/dropped`),
    served: quoted(`${generation.view}/served`),
  }
}

/** Text is readable in any SQLite tool, and `value ->> '$.title'` works on it. What isn't text stays what it is. */
const valueType = (format: ViewFormat): 'TEXT' | 'BLOB' => (format === 'bytes' ? 'BLOB' : 'TEXT')

/** How a parameter of bytes becomes a value. The bytes are stored as they are in both. */
export const valueParameter = (format: ViewFormat): string => (format === 'bytes' ? '?' : 'CAST(? AS TEXT)')

/**
 * A table with rowids rather than WITHOUT ROWID, which takes less than half as many upserts a second: its rows are the nodes of one tree, so every insertion in
 * the middle moves values, not just keys.
 */
export const createStatements = (tables: Tables, format: ViewFormat): readonly string[] => [
  `CREATE TABLE ${tables.entries} (
    key TEXT PRIMARY KEY NOT NULL,
    value ${valueType(format)} NOT NULL,
    log_partition INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    log_time INTEGER NOT NULL
  )`,
  `CREATE TABLE ${tables.checkpoint} (
    log_partition INTEGER PRIMARY KEY NOT NULL,
    position INTEGER NOT NULL,
    vouched INTEGER NOT NULL,
    tombstones_removed_to INTEGER NOT NULL,
    leader_epoch INTEGER NOT NULL,
    at_end_ms INTEGER NOT NULL
  )`,
  `CREATE TABLE ${tables.identity} (
    uid TEXT NOT NULL,
    log_id TEXT NOT NULL,
    topic_id TEXT NOT NULL,
    definition_hash TEXT NOT NULL,
    shard TEXT NOT NULL,
    filled INTEGER NOT NULL,
    opening TEXT NOT NULL
  )`,
]

export const dropStatements = (tables: Tables): readonly string[] =>
  [tables.identity, tables.checkpoint, tables.entries].map(table => `DROP TABLE IF EXISTS ${table}`)

/** As SQLite keeps it in sqlite_schema, so that one can be compared with the other. */
export const viewStatement = (tables: Pick<Tables, 'view' | 'entries'>): string =>
  `CREATE VIEW ${tables.view} AS SELECT key, value, log_partition, log_offset, log_time FROM ${tables.entries}`

/** Whether the statement is that of some generation of the view; and not that of a SQL view of somebody's own. */
export function isViewStatement(sql: string, view: string): boolean {
  const number = /@(\d+)"$/.exec(sql)?.[1]
  const entries = quoted(`${view}@${number}`)
  return sql === viewStatement({ view: quoted(view), entries })
}
