import type { Generation, ViewFormat } from '../../src/model/generation.ts'
import type { Row } from './connections.ts'
import { type OwnNames, valueType } from './names.ts'
import { STANDING } from './standing.ts'

/** The row with the identity of the generation `$1`, in the columns of an entry's: without a key. */
export const standingText = (own: OwnNames, { format }: Generation): string =>
  `SELECT ${STANDING}, NULL::text COLLATE "C", NULL::${valueType(format)} FROM ${own.identity} i WHERE i.generation = $1`

/** The row with the identity, wherever it stands, and the others. */
export function parted(rows: readonly Row[]): { readonly head: string | undefined; readonly rest: readonly Row[] } {
  const at = rows.findIndex(row => row[1] === null)
  return at < 0 ? { head: undefined, rest: rows } : { head: rows[at]?.[0] ?? undefined, rest: rows.toSpliced(at, 1) }
}

/** An entry's bytes, from what stands in its row. */
export function bytesOf(text: string | null | undefined, format: ViewFormat): Uint8Array | undefined {
  if (text === null || text === undefined) return undefined
  return format === 'bytes' ? Buffer.from(text.slice(HEX_PREFIX.length), 'hex') : Buffer.from(text)
}

const HEX_PREFIX = '\\x'

/** Whether Postgres has a text for it. Nothing else can be the id of an entry. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()
