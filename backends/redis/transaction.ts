import { faultOf, outage } from './faults.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Exclusive, Shard } from './shard.ts'

/**
 * Watches keys, reads some in one moment, and begins a transaction, to be ended by `commit` or `discard`. MULTI's answer is awaited before anything is sent into the transaction:
 * where the user may not begin one, each command would be carried out alone.
 * @throws view-unavailable, for an error reply, too
 */
export async function begin(shard: Shard, connection: Exclusive, watched: readonly Buffer[], read: readonly Buffer[]): Promise<readonly Reply[]> {
  const replies = await connection.send(
    new Request()
      .command('WATCH', ...watched)
      .command('MGET', ...read)
      .command('MULTI'),
  )
  const fault = faultOf(replies)
  if (fault !== undefined) throw outage(shard.where, fault)
  return replies[1] as readonly Reply[]
}

/** False where a watched key was touched: nothing was done. @throws view-unavailable, for an error reply, too */
export async function commit(shard: Shard, connection: Exclusive, request: Request): Promise<boolean> {
  const replies = await connection.send(request.command('EXEC'))
  const fault = faultOf(replies)
  if (fault !== undefined) throw outage(shard.where, fault)
  return replies.at(-1) !== null
}

/** Watches nothing any more, either. */
export const discard = (connection: Exclusive): Promise<readonly Reply[]> => connection.send(new Request().command('DISCARD'))
