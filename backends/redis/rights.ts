import { isLogfoldError, type LogfoldError } from '../../src/model/errors.ts'
import { codeOf, outage } from './faults.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Shard } from './shard.ts'
import { discard } from './transaction.ts'

/**
 * Undefined where the user may do all that a worker does: it is asked inside a transaction that is discarded, so nothing is done. Not asked is whether it may do so with the keys
 * of a view, as which these are only the view knows.
 */
export async function missingRight(shard: Shard, keyPrefix: string): Promise<LogfoldError | undefined> {
  const key = Buffer.from(`${keyPrefix}logfold`)
  const asking = shard.exclusive(async connection => {
    const began = await connection.send(new Request().command('WATCH', key).command('MULTI'))
    const denied = began.find(isDenied)
    if (denied !== undefined || began[1] instanceof Error) return denied === undefined ? undefined : outage(shard.where, denied)
    const asked = new Request().command('MGET', key).command('MSET', key, '').command('SET', key, '').command('UNLINK', key)
    asked.command('HEXISTS', key, '').command('HGET', key, '').command('HSET', key, '', '')
    for (const name of ['SADD', 'SREM', 'ZREM']) asked.command(name, key, '')
    asked.command('ZADD', key, '0', '').command('EVAL', 'return 1', '0')
    const fault = (await connection.send(asked)).find(isDenied)
    await discard(connection)
    return fault === undefined ? undefined : outage(shard.where, fault)
  })
  return await asking.catch((error: unknown) => {
    if (isLogfoldError(error, 'view-unavailable')) return error
    throw error
  })
}

/** The command, and not the key. */
const isDenied = (reply: Reply): reply is Error => reply instanceof Error && codeOf(reply) === 'NOPERM' && /permissions to run/.test(reply.message)
