import type { Generation } from '../../src/model/generation.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Shard } from './shard.ts'
import { assertFilled } from './standing.ts'

/** One command, so one moment: values first, then whose they are. */
export function valuesRequest({ entry, identity, filled }: Names, ids: readonly string[]): Request {
  const request = new Request().begin('MGET', ids.length + 2)
  for (const id of ids) request.joined(entry, id)
  return request.raw(identity).raw(filled)
}

/** @throws view-lost, foreign-store, view-folding */
export function valuesOf(reply: Reply | undefined, count: number, generation: Generation, shard: Shard): readonly (Uint8Array | undefined)[] {
  const replies = reply as readonly Reply[]
  assertFilled(replies[count], replies[count + 1], generation, shard)
  return replies.slice(0, count).map(value => (Buffer.isBuffer(value) ? value : undefined))
}
