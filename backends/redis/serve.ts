import { type Generation, generationName } from '../../src/model/generation.ts'
import type { CommandPlace } from '../../src/model/view-backend.ts'
import { isOutdated, placeText, SERVED } from './fence.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Exclusive, Shard } from './shard.ts'
import { assertOpen } from './standing.ts'
import { begin, commit, discard, inTheWay, TRIES } from './transaction.ts'

/**
 * Has `job/serving` name this generation, in one step with the command in the fence, while the identity stands.
 * @throws view-lost, foreign-store, view-unavailable
 */
export async function serve(
  shard: Shard,
  connection: Exclusive,
  generation: Generation,
  { identity, serving, fence }: Names,
  since: CommandPlace,
): Promise<'shown' | 'outdated'> {
  const read = new Request().command('MGET', identity).command('HGET', fence, SERVED)
  for (let tries = 0; tries < TRIES; tries++) {
    const [values, served] = await begin(shard, connection, [identity, fence], read)
    const [found] = values as readonly Reply[]
    assertOpen(found, generation, shard)
    if (isOutdated(since, served)) {
      await discard(connection)
      return 'outdated'
    }
    const request = new Request().command('SET', serving, generationName(generation)).command('HSET', fence, SERVED, placeText(since))
    if (await commit(shard, connection, request)) return 'shown'
  }
  throw inTheWay(shard)
}

/**
 * Whether `serve` has nothing to do: this generation is named, or what stands there names none of the view's, and is somebody's own. A value of another type counts as none.
 */
export function isShown(found: Reply | undefined, generation: Generation): boolean {
  if (!Buffer.isBuffer(found)) return false
  const text = found.toString()
  return text === generationName(generation) || !(text.startsWith(`${generation.view}@`) && /@[1-9]\d*$/.test(text))
}
