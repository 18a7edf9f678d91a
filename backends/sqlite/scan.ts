import { isUtf8 } from 'node:buffer'
import { scanCursorOf, scannedKeyOf } from '../../src/model/cursor.ts'
import type { Generation } from '../../src/model/generation.ts'
import { limits } from '../../src/model/limits.ts'
import type { ScanOptions } from '../../src/model/view-backend.ts'
import type { SqliteFile } from './file.ts'
import { type Packed, packEntries, packValues, type Row } from './packing.ts'
import { tablesOf } from './tables.ts'

/** Behind every text that is UTF-8, and before what isn't text. */
const AFTER_ALL = Buffer.from([0xff])

/** Each of these runs inside one transaction that saw the identity. */

export interface ScanPage {
  readonly page: Packed
  readonly cursor: string | undefined
}

/** By the table, so in key order. Keys that aren't UTF-8 are left out: other programs may have put them there. */
export function scanPage(file: SqliteFile, generation: Generation, { cursor, limit }: ScanOptions): ScanPage {
  const after = cursor === undefined ? undefined : scannedKeyOf(cursor)
  const select = file.prepare(
    `SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM ${tablesOf(generation).entries}
     WHERE key ${after === undefined ? '>=' : '>'} CAST(? AS TEXT) AND key < CAST(? AS TEXT) ORDER BY key LIMIT ?`,
  )
  const rows: Row[] = []
  let bytes = 0
  for (const row of select.iterate(after ?? Buffer.alloc(0), AFTER_ALL, limit + 1)) {
    const last = rows.at(-1)
    if (last !== undefined && (rows.length === limit || bytes >= limits.pageBytes)) return { page: packed(rows), cursor: scanCursorOf(last[0]) }
    const entry = row as unknown as Row
    rows.push(entry)
    bytes += entry[1].length
  }
  return { page: packed(rows), cursor: undefined }
}

/** What stands under the first of these ids, until the values come to a page. */
export function lookAt(file: SqliteFile, generation: Generation, ids: readonly string[]): Packed {
  const select = file.prepare(`SELECT CAST(value AS BLOB) FROM ${tablesOf(generation).entries} WHERE key = ?`)
  const values: (Uint8Array | undefined)[] = []
  let bytes = 0
  for (const id of ids) {
    if (bytes >= limits.pageBytes) break
    const value = (select.get(id) as unknown as [Uint8Array] | undefined)?.[0]
    values.push(value)
    bytes += value?.length ?? 0
  }
  return packValues(values)
}

const packed = (rows: readonly Row[]): Packed => packEntries(rows.filter(([key]) => isUtf8(key)))
