import { LogfoldError } from '../../src/model/errors.ts'
import { faultOf, outage } from './faults.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Exclusive, Shard } from './shard.ts'

/** How often an operation begins anew because somebody else was at the same keys. */
export const TRIES = 20

export const inTheWay = (shard: Shard): LogfoldError =>
  new LogfoldError('view-unavailable', `${shard.where}: somebody keeps changing the identity of the view, or its fence`)

/** What a reply said, to be compared on the server. Empty where there was nothing. */
export const textOf = (reply: Reply | undefined): Buffer | string => (Buffer.isBuffer(reply) ? reply : '')

/** One command's answer. @throws view-unavailable, for an error reply, too */
export async function ask<Answer extends Reply>(shard: Shard, connection: Exclusive, request: Request): Promise<Answer> {
  const [reply] = await connection.send(request)
  if (reply instanceof Error) throw outage(shard.where, reply)
  return reply as Answer
}

/**
 * Watches keys, reads, and begins a transaction, to be ended by `commit` or `discard`. MULTI's answer is awaited before anything is sent into the transaction:
 * where the user may not begin one, each command would be carried out alone.
 * @throws view-unavailable, for an error reply, too
 */
export async function begin(shard: Shard, connection: Exclusive, watched: readonly Buffer[], read: Request): Promise<readonly Reply[]> {
  const replies = await connection.send(
    new Request()
      .command('WATCH', ...watched)
      .join(read)
      .command('MULTI'),
  )
  const fault = faultOf(replies)
  if (fault !== undefined) throw outage(shard.where, fault)
  return replies.slice(1, -1)
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
