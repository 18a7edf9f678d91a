import type { Inspection } from './inspect.ts'
import type { Names } from './names.ts'
import type { Request } from './request.ts'
import { script } from './script.ts'

/**
 * An evicted key would be a false 404. Redis counts them, in each run from 0; so how many there were when a shard was opened is kept on the shard, and whoever finds
 * more takes the identity away: then the shard is lost, and folded again.
 */

/**
 * KEYS: of each generation the opening, and the identity.
 * ARGV: the run of the server, the number of keys it has evicted in that run.
 * Takes the identities away under which keys may have been evicted: since the opening more were, or some in another run than that.
 * Returns how many it took away.
 */
const TAKE_AWAY = `local taken = 0
for at = 1, #KEYS, 2 do
  local kept = redis.call('MGET', KEYS[at])[1] or ''
  local run, text = string.match(kept, '"runId":"(%w*)","evictedKeys":(%d+)')
  local count = tonumber(text)
  local before = 0
  if run == ARGV[1] and count <= tonumber(ARGV[2]) then before = count end
  if tonumber(ARGV[2]) > before and redis.call('EXISTS', KEYS[at + 1]) == 1 then
    taken = taken + redis.call('UNLINK', KEYS[at + 1])
  end
end
return taken`

export const takeAwayEvicted = (generations: readonly Names[], { runId = '', evictedKeys }: Inspection): Request =>
  script(
    TAKE_AWAY,
    generations.flatMap(({ opening, identity }) => [opening, identity]),
    runId,
    String(evictedKeys),
  )
