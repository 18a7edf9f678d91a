import { limits } from '../../src/model/limits.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'

export type Read = (request: Request) => Promise<readonly Reply[]>

/** So few are never too many bytes. */
const SURELY_FITTING = 4

/**
 * KEYS: any number of entries.
 * ARGV: none.
 * Returns the length of each value in bytes; -1 where there is none, be it that the key holds something else than a string.
 */
const WEIGH = `local lengths = {}
for at, key in ipairs(KEYS) do
  local length = redis.pcall('STRLEN', key)
  if type(length) ~= 'number' or (length == 0 and redis.call('EXISTS', key) == 0) then length = -1 end
  lengths[at] = length
end
return lengths`

/** How long each value is; undefined where there is none. So a page's bytes are known before they are on their way. */
export async function weigh(read: Read, names: Names, ids: readonly string[]): Promise<readonly (number | undefined)[]> {
  if (ids.length === 0) return []
  const request = new Request()
    .begin('EVAL', ids.length + 2)
    .text(WEIGH)
    .text(String(ids.length))
  for (const id of ids) request.joined(names.entry, id)
  const [reply] = await read(request)
  return (reply as readonly Reply[]).map(length => (Number(length) < 0 ? undefined : Number(length)))
}

/** Whether so many entries need no weighing. */
export const surelyFit = (count: number): boolean => count <= SURELY_FITTING

/** How many of these, from the first, are a page; at least one where there is one. */
export function fitting(lengths: readonly (number | undefined)[], limit: number): number {
  let bytes = 0
  let count = 0
  for (const weighed of lengths) {
    const length = weighed ?? 0
    if (count === limit || (count > 0 && bytes + length > limits.pageBytes)) break
    bytes += length
    count++
  }
  return count
}
