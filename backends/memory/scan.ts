import { cursorOf, idOf } from '../../src/model/cursor.ts'
import { limits } from '../../src/model/limits.ts'
import type { Found, Scan, ScanOptions } from '../../src/model/view-backend.ts'
import type { Copy } from './shard.ts'

export function scanCopy(copy: Copy, { cursor, limit }: ScanOptions): Scan {
  const ids = copy.idsAfter(cursor === undefined ? undefined : idOf(cursor).toString(), '', limit + 1)
  const found = findIn(copy, ids.slice(0, limit))
  const last = found.at(-1)
  return { found, cursor: found.length < ids.length && last !== undefined ? cursorOf(last.id) : undefined }
}

/** What stands under the first of these ids, until the values come to a page. */
export function findIn(copy: Copy, ids: readonly string[]): readonly Found[] {
  const found: Found[] = []
  let bytes = 0
  for (const id of ids) {
    if (bytes >= limits.pageBytes) break
    const value = copy.get(id)?.slice()
    found.push({ id, value, listed: value !== undefined })
    bytes += value?.length ?? 0
  }
  return found
}
