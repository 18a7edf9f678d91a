import { limits } from '../../src/model/limits.ts'
import type { ValueType } from './names.ts'

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
  return `SELECT CASE WHEN b.total > ${limits.pageBytes} THEN '${CUT}' END, b.key, b.value FROM (
    SELECT s.key, s.value, s.size, sum(s.size) OVER (ORDER BY s.key ROWS UNBOUNDED PRECEDING) AS total FROM (
      SELECT key, value, ${sizeText(type)} AS size FROM ${table} WHERE key ${from} $3 ${bounded ? 'AND key < $4' : ''} ORDER BY key LIMIT $2
    ) s
  ) b WHERE b.total - b.size <= ${limits.pageBytes}`
}

/** A row for each of the keys in the array `$3`, in its order, with the value where there is one; none behind the value that brings them to a page. */
export const lookText = (table: string, type: ValueType): string => `SELECT NULL, b.key, b.value FROM (
    SELECT a.nth, a.key, e.value, coalesce(e.size, 0) AS size, sum(coalesce(e.size, 0)) OVER (ORDER BY a.nth ROWS UNBOUNDED PRECEDING) AS total
    FROM unnest($3::text[]) WITH ORDINALITY AS a (key, nth)
    LEFT JOIN LATERAL (SELECT t.value, ${sizeText(type)} AS size FROM ${table} t WHERE t.key = a.key COLLATE "C") e ON true
    ORDER BY a.nth
  ) b WHERE b.total - b.size <= ${limits.pageBytes}`

/** Of a value. What Postgres compressed must be unpacked where its type is json. */
const sizeText = (type: ValueType): string =>
  type === 'json'
    ? `CASE WHEN pg_column_compression(value) IS NULL THEN pg_column_size(value) ELSE octet_length(value::text) END`
    : 'octet_length(value)'
