import type { Generation } from '../../src/model/generation.ts'
import type { ShardStats } from '../../src/model/view-backend.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { script } from './script.ts'
import type { Shard } from './shard.ts'
import { standingOf } from './standing.ts'

/** About so many entries are weighed: each time the same, as long as they are there, so that the figure doesn't jump. Redis keeps them in an order that has nothing to do with their sizes. */
const SAMPLES = 50

/**
 * KEYS: the identity, the key of the ids.
 * ARGV: SCARD or ZCARD; SSCAN or ZSCAN; how far apart what that gives has the ids; how many entries are weighed; what stands before an id in an entry's key.
 * Returns the identity; how many ids there are; and bytes: what the ids take, and as many entries of the mean weight of some. nil in the place of bytes where the user may not ask.
 */
const STATS = `local identity = redis.call('MGET', KEYS[1])[1]
local count = redis.call(ARGV[1], KEYS[2])
if count == 0 then return {identity, 0, 0} end
local bytes = redis.pcall('MEMORY', 'USAGE', KEYS[2], 'SAMPLES', ARGV[4])
if type(bytes) ~= 'number' then return {identity, count} end
local ids = redis.call(ARGV[2], KEYS[2], '0', 'COUNT', ARGV[4])[2]
local step = tonumber(ARGV[3])
local samples = math.min(#ids / step, tonumber(ARGV[4]))
local weighed = 0
for sample = 0, samples - 1 do
  weighed = weighed + (tonumber(redis.pcall('MEMORY', 'USAGE', ARGV[5] .. ids[sample * step + 1])) or 0)
end
if weighed == 0 then return {identity, count} end
return {identity, count, bytes + math.floor(count * weighed / samples)}`

/** One round trip; its cost doesn't grow with the entries. `bytes` is an estimate. @throws view-unavailable */
export async function stats(shard: Shard, generation: Generation, { identity, ids, entry }: Names): Promise<ShardStats> {
  // Each id in a sorted set has its score behind it.
  const asked = generation.ordered ? ['ZCARD', 'ZSCAN', '2'] : ['SCARD', 'SSCAN', '1']
  const [reply] = await shard.read(script(STATS, [identity, ids], ...asked, String(SAMPLES), entry))
  const [found, entries, bytes] = reply as readonly Reply[]
  if (standingOf(found, generation, shard.name).kind !== 'open') return { entries: 0, bytes: undefined }
  return { entries: Number(entries), bytes: typeof bytes === 'number' ? bytes : undefined }
}
