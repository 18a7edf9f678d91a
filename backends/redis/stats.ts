import type { Generation } from '../../src/model/generation.ts'
import type { ShardStats } from '../../src/model/view-backend.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { script } from './script.ts'
import type { Shard } from './shard.ts'
import { standingOf } from './standing.ts'

/** Entries that are weighed. */
const SAMPLES = 50

/**
 * KEYS: the identity, the key of the ids.
 * ARGV: SCARD or ZCARD; SRANDMEMBER or ZRANDMEMBER; how many entries are weighed; what stands before an id in an entry's key.
 * Returns the identity; how many ids there are; and bytes: what the ids take, and as many entries of the mean weight of some. nil in the place of bytes where the user may not ask.
 */
const STATS = `local identity = redis.call('MGET', KEYS[1])[1]
local count = redis.call(ARGV[1], KEYS[2])
if count == 0 then return {identity, 0, 0} end
local bytes = redis.pcall('MEMORY', 'USAGE', KEYS[2], 'SAMPLES', ARGV[3])
if type(bytes) ~= 'number' then return {identity, count} end
local ids = redis.call(ARGV[2], KEYS[2], ARGV[3])
local weighed = 0
for _, id in ipairs(ids) do
  weighed = weighed + (tonumber(redis.pcall('MEMORY', 'USAGE', ARGV[4] .. id)) or 0)
end
return {identity, count, bytes + math.floor(count * weighed / #ids)}`

/** One round trip; its cost doesn't grow with the entries. `bytes` is an estimate. @throws view-unavailable */
export async function stats(shard: Shard, generation: Generation, { identity, ids, entry }: Names): Promise<ShardStats> {
  const commands = generation.ordered ? ['ZCARD', 'ZRANDMEMBER'] : ['SCARD', 'SRANDMEMBER']
  const [reply] = await shard.read(script(STATS, [identity, ids], ...commands, String(SAMPLES), entry))
  const [found, entries, bytes] = reply as readonly Reply[]
  if (standingOf(found, generation, shard.name).kind !== 'open') return { entries: 0, bytes: undefined }
  return { entries: Number(entries), bytes: typeof bytes === 'number' ? bytes : undefined }
}
