import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, type ViewFormat } from '../../src/model/generation.ts'

/** The one shard's name: a part of the identity, so it never changes. */
export const SHARD = 'main'

export function assertShard(shard: string): void {
  if (shard !== SHARD) throw new LogfoldError('internal', `There is no shard ${shard}; there is ${SHARD}`)
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** What is ours in the schema beside entries, quoted for SQL. No view's name begins with `@`, so none of them meets a view or a generation. */
export interface OwnNames {
  readonly schema: string
  /** One row: the number of the last migration. */
  readonly format: string
  /** A row a generation. */
  readonly identity: string
  /** A row a generation and partition. */
  readonly checkpoint: string
  /** A row a view whose SQL view went with what it showed: what was granted on it. */
  readonly grants: string
  /** A row a view: the generations that were dropped, and the command by which people were last shown one. */
  readonly fence: string
  readonly apply: string
}

export function ownNames(schema: string): OwnNames {
  const own = (name: string): string => `${quoted(schema)}.${quoted(name)}`
  return {
    schema: quoted(schema),
    format: own('@format'),
    identity: own('@identity'),
    checkpoint: own('@checkpoint'),
    grants: own('@grants'),
    fence: own('@fence'),
    apply: own('@apply'),
  }
}

/** `"logfold"."job@2"` */
export const entriesTable = (schema: string, generation: Generation): string => `${quoted(schema)}.${quoted(generationName(generation))}`

/** What people query: the entries of the generation that serves. */
export const sqlView = (schema: string, generation: Generation): string => `${quoted(schema)}.${quoted(generation.view)}`

export type ValueType = 'json' | 'text' | 'bytea'

/** `json` keeps the text as it was written, and people can ask it for members; `jsonb` would rewrite it. */
export const valueType = (format: ViewFormat): ValueType => (format === 'bytes' ? 'bytea' : format)

/** Columns of an entry, as Postgres writes their types. */
export const entryColumns = (format: ViewFormat): readonly (readonly [name: string, type: string])[] => [
  ['key', 'text'],
  ['value', valueType(format)],
  ['log_partition', 'integer'],
  ['log_offset', 'bigint'],
  ['log_time', 'timestamp with time zone'],
]
