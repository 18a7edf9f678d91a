import type { ValueType } from './names.ts'

/** A page ends early above this, so that pages of the largest values don't fill the memory. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024

/** Stands in the first column of the row that ends a page early. */
export const CUT = 'cut'

export interface PageShape {
  readonly from: '>' | '>='
  /** Whether there is an upper bound. */
  readonly bounded: boolean
  readonly type: ValueType
}

/**
 * The rows of a page: `$2` at most, from `$3` on, up to `$4`. The server adds up the sizes and sends no row behind the one that is too much.
 *
 * The size of a value that Postgres compressed is known only when it is unpacked, where its type is json; for all others the size stands beside it. So a page of large json
 * costs the server some time for each row it looks at, and the reader asks for no more rows than pages had before.
 */
export function pageText(table: string, { from, bounded, type }: PageShape): string {
  const size =
    type === 'json'
      ? `CASE WHEN pg_column_compression(value) IS NULL THEN pg_column_size(value) ELSE octet_length(value::text) END`
      : 'octet_length(value)'
  return `SELECT CASE WHEN b.total > ${PAGE_BYTES_MAX} THEN '${CUT}' END, b.key, b.value FROM (
    SELECT s.key, s.value, s.size, sum(s.size) OVER (ORDER BY s.key ROWS UNBOUNDED PRECEDING) AS total FROM (
      SELECT key, value, ${size} AS size FROM ${table} WHERE key ${from} $3 ${bounded ? 'AND key < $4' : ''} ORDER BY key LIMIT $2
    ) s
  ) b WHERE b.total - b.size <= ${PAGE_BYTES_MAX}`
}
