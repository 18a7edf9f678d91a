import type { Generation } from '../../src/model/generation.ts'
import { limits } from '../../src/model/limits.ts'
import type { Found, Look } from '../../src/model/view-backend.ts'
import { fitting, type Read, weigh } from './fitting.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { ASK } from './script.ts'
import type { Shard } from './shard.ts'
import { assertOpen, checkpointsOf, notOpen } from './standing.ts'

/**
 * What stands under the first of these ids, until the values come to a page: values, places in the lists, identity and checkpoints in one moment.
 * @throws view-lost, foreign-store
 */
export async function look(read: Read, shard: Shard, generation: Generation, names: Names, ids: readonly string[]): Promise<Look> {
  const { found, checkpoints } = await lookAt(read, shard, generation, names, ids, names.checkpoints)
  const all = checkpointsOf(checkpoints)
  if (all === undefined) throw notOpen({ kind: 'lost' }, generation, shard)
  return { found, checkpoints: all }
}

/** As `look`, without the checkpoints. */
export async function find(read: Read, shard: Shard, generation: Generation, names: Names, ids: readonly string[]): Promise<readonly Found[]> {
  return ids.length === 0 ? [] : (await lookAt(read, shard, generation, names, ids, [])).found
}

interface Replies {
  readonly found: readonly Found[]
  readonly checkpoints: readonly Reply[]
}

async function lookAt(
  read: Read,
  shard: Shard,
  generation: Generation,
  names: Names,
  ids: readonly string[],
  checkpoints: readonly Buffer[],
): Promise<Replies> {
  const some = ids.slice(0, limits.idsMax)
  const fits = some.slice(0, fitting(await weigh(read, names, some), some.length))
  const tail = [names.identity, ...checkpoints]
  const [reply] = await read(fits.length === 0 ? new Request().command('MGET', ...tail) : placesAndValues(generation, names, fits, tail))
  const [places, values] = (fits.length === 0 ? [[], reply] : reply) as readonly [readonly Reply[], readonly Reply[]]
  assertOpen(values[fits.length], generation, shard)
  const found = fits.map((id, at): Found => {
    const value = values[at]
    return { id, value: Buffer.isBuffer(value) ? value : undefined, listed: generation.ordered ? places[at] !== null : places[at] === 1 }
  })
  return { found, checkpoints: values.slice(fits.length + 1) }
}

/** One command, so one moment. */
function placesAndValues({ ordered }: Generation, names: Names, ids: readonly string[], tail: readonly Buffer[]): Request {
  const keys = ids.length + tail.length
  const request = new Request()
    .begin('EVAL', 2 + keys + 2 + ids.length)
    .text(ASK)
    .text(String(keys))
  for (const id of ids) request.joined(names.entry, id)
  for (const key of tail) request.raw(key)
  request.text(ordered ? 'ZMSCORE' : 'SMISMEMBER').raw(names.ids)
  for (const id of ids) request.text(id)
  return request
}
