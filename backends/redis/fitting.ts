import type { Reply } from './connection.ts'
import type { Names } from './names.ts'
import { Request } from './request.ts'

/** A page ends early above this, so that pages of the largest values don't fill the memory. */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024
/** So few are never too many bytes. */
const SURELY_FITTING = 4

/**
 * KEYS: any number of entries.
 * ARGV: none.
 * Returns the length of each value in bytes; 0 where there is none.
 */
const LENGTHS = `local lengths = {}
for at, key in ipairs(KEYS) do lengths[at] = redis.call('STRLEN', key) end
return lengths`

/** How long each value is, so that a page's bytes are known before they are on their way. */
export async function lengthsOf(
  read: (request: Request) => Promise<readonly Reply[]>,
  names: Names,
  ids: readonly string[],
): Promise<readonly number[]> {
  if (ids.length <= SURELY_FITTING) return ids.map(() => 0)
  const request = new Request()
    .begin('EVAL', ids.length + 2)
    .text(LENGTHS)
    .text(String(ids.length))
  for (const id of ids) request.joined(names.entry, id)
  const [reply] = await read(request)
  return (reply as readonly Reply[]).map(Number)
}

/** How many of these, from the first, are a page; at least one where there is one. */
export function fitting(lengths: readonly number[], limit: number): number {
  let bytes = 0
  let count = 0
  for (const length of lengths) {
    if (count === limit || (count > 0 && bytes + length > PAGE_BYTES_MAX)) break
    bytes += length
    count++
  }
  return count
}
