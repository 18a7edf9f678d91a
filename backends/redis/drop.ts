import { failPoint } from '../../src/model/fail-point.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import { Emptying } from './emptying.ts'
import { droppedField } from './fence.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { script } from './script.ts'
import type { Exclusive, Shard } from './shard.ts'
import { standingOf } from './standing.ts'
import { ask, inTheWay, TRIES, textOf } from './transaction.ts'

/**
 * KEYS: the fence, the identity, the mark `filled`, what serves, `emptying`.
 * ARGV: what was found at the identity, empty where there was nothing; the generation's field in the fence; its name, empty where what was found is another's.
 * Notes that the generation was dropped, and takes its identity and its mark away, so that nobody reads, writes or opens it any more; and what serves, where that is the generation.
 * The identity becomes `emptying`. Of another's, nothing is touched.
 * PERSIST comes first as it grows nothing: above maxmemory a script may grow something only once it has written.
 * Returns 0 where something else stands now than was found: then nothing was done. Else 1.
 */
const DROP = `local found = redis.call('MGET', KEYS[2], KEYS[4])
if (found[1] or '') ~= ARGV[1] then return 0 end
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[2], '1')
if ARGV[3] == '' then return 1 end
if found[1] then redis.call('RENAME', KEYS[2], KEYS[5]) end
redis.call('UNLINK', KEYS[3])
if found[2] == ARGV[3] then redis.call('UNLINK', KEYS[4]) end
return 1`

/** Leaves nothing of this generation on a shard but its field in the fence; or, where the signal stops it, as much as the next one finds. @throws view-unavailable */
export async function drop(
  shard: Shard,
  connection: Exclusive,
  generation: Generation,
  names: Names,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!(await takeIdentity(shard, connection, generation, names))) return
  failPoint('redis/identity-taken')
  const emptying = new Emptying(shard, connection, generation, names)
  // Whatever it was: nobody comes after this who would find what the ids don't name.
  if ((await emptying.all(true, signal)) === 'emptied') await emptying.marks()
}

/** False where somebody else's stands there. */
async function takeIdentity(shard: Shard, connection: Exclusive, generation: Generation, names: Names): Promise<boolean> {
  const { fence, identity, filled, serving, emptying } = names
  for (let tries = 0; tries < TRIES; tries++) {
    const [found] = await ask<readonly Reply[]>(shard, connection, new Request().command('MGET', identity))
    const mine = standingOf(found, generation, shard.name).kind !== 'foreign'
    const name = mine ? generationName(generation) : ''
    const request = script(DROP, [fence, identity, filled, serving, emptying], textOf(found), droppedField(generation), name)
    if ((await ask(shard, connection, request)) === 1) return mine
  }
  throw inTheWay(shard)
}
