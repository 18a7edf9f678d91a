import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import type { Batch, Generation, ShardCheckpoints, ShardOutcome, ViewOp, ViewWriter } from '../../src/model/view-backend.ts'
import type { Reply } from './connection.ts'
import { isRefusal, outage, refused } from './faults.ts'
import { type Names, namesOf } from './names.ts'
import { Request } from './request.ts'
import { type Exclusive, firstCause, type Shard, type Shards } from './shard.ts'
import { checkpointOf, checkpointsOf, checkpointText, standingOf } from './standing.ts'

/** Ops a command: all of a batch are in one transaction, so this bounds nothing but the size of a command. */
const OPS_PER_COMMAND = 2_000
/** How often a batch is tried whose keys somebody touched without moving the checkpoint. */
const TRIES = 10

export class RedisWriter implements ViewWriter {
  readonly #shards: Shards
  readonly #generation: Generation
  readonly #names: Names

  constructor(shards: Shards, keyPrefix: string, generation: Generation) {
    this.#shards = shards
    this.#generation = generation
    this.#names = namesOf(keyPrefix, generation)
  }

  /**
   * One transaction: WATCH, compare, MULTI. Between the comparison and EXEC nobody can have touched identity or checkpoint, whoever it is and whatever he did
   * (another batch, an opening, a flush): Redis then refuses EXEC.
   */
  async apply(name: string, batch: Batch): Promise<ShardOutcome> {
    const shard = this.#shards.shard(name)
    shard.assertOpen()
    if (this.#names.checkpoints[batch.partition] === undefined) return { kind: 'lost' }
    try {
      return await shard.exclusive(async connection => {
        for (let tries = 0; tries < TRIES; tries++) {
          const outcome = await this.#try(shard, connection, batch)
          if (outcome !== 'touched') return outcome
        }
        throw new LogfoldError('view-unavailable', `${shard.where}: somebody keeps writing to the keys of the view`)
      })
    } catch (error) {
      if (isLogfoldError(error, 'store-refused')) return { kind: 'refused', cause: error }
      return unavailable(error)
    }
  }

  async checkpoints(name: string): Promise<ShardCheckpoints> {
    const shard = this.#shards.shard(name)
    try {
      const { identity, checkpoints } = this.#names
      const [reply] = await shard.read(new Request().command('MGET', identity, ...checkpoints))
      const [found, ...rest] = reply as readonly Reply[]
      const standing = standingOf(found, this.#generation, shard.name)
      if (standing.kind !== 'open') return standing
      const all = checkpointsOf(rest)
      return all === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints: all }
    } catch (error) {
      return unavailable(error)
    }
  }

  async #try(shard: Shard, connection: Exclusive, batch: Batch): Promise<ShardOutcome | 'touched'> {
    const { identity, checkpoints, ids } = this.#names
    const key = checkpoints[batch.partition] ?? identity
    const seeing = connection.send(new Request().command('WATCH', identity, key).command('MGET', identity, key).command('TYPE', ids))
    // While the server answers.
    const request = this.#transaction(connection.large.reset(), key, batch)
    const seen = await seeing
    const fault = firstCause(seen)
    if (fault !== undefined) throw outage(shard.where, fault)
    const outcome = this.#compare(shard.name, seen[1] as readonly Reply[], batch)
    if (outcome !== undefined) {
      await connection.send(new Request().command('UNWATCH'))
      return outcome
    }
    assertType(shard, seen[2], this.#generation)
    const replies = await connection.send(request)
    // The key of ids was exchanged, or the user's rights taken away, in just this moment. The checkpoint must not stand for what wasn't written.
    if (innerFault(replies) !== undefined) await connection.send(new Request().command('UNLINK', key))
    return outcomeOf(shard, replies)
  }

  /** Undefined where the batch may be written. */
  #compare(shard: string, [identity, found]: readonly Reply[], { from }: Batch): ShardOutcome | undefined {
    const standing = standingOf(identity, this.#generation, shard)
    if (standing.kind === 'foreign') return standing
    const checkpoint = standing.kind === 'open' ? checkpointOf(found) : undefined
    if (checkpoint === undefined) return { kind: 'lost' }
    return checkpoint.position === from ? undefined : { kind: 'elsewhere', checkpoint }
  }

  #transaction(request: Request, checkpointKey: Buffer, { ops, checkpoint }: Batch): Request {
    request.command('MULTI')
    for (let at = 0; at < ops.length; at += OPS_PER_COMMAND) this.#write(request, ops.slice(at, at + OPS_PER_COMMAND))
    return request.command('SET', checkpointKey, checkpointText(checkpoint)).command('EXEC')
  }

  #write(request: Request, ops: readonly ViewOp[]): void {
    const { entry, ids } = this.#names
    const { ordered } = this.#generation
    const sets = ops.filter(op => op.kind === 'set')
    if (sets.length > 0) {
      request.begin('MSET', sets.length * 2)
      for (const { id, value } of sets) {
        request.joined(entry, id)
        request.slice(value.buffer, value.start, value.end)
      }
      request.begin(ordered ? 'ZADD' : 'SADD', 1 + sets.length * (ordered ? 2 : 1)).raw(ids)
      for (const { id } of sets) {
        if (ordered) request.text('0')
        request.text(id)
      }
    }
    const dels = sets.length === ops.length ? [] : ops.filter(op => op.kind === 'del')
    if (dels.length > 0) {
      request.begin('UNLINK', dels.length)
      for (const { id } of dels) request.joined(entry, id)
      request.begin(ordered ? 'ZREM' : 'SREM', 1 + dels.length).raw(ids)
      for (const { id } of dels) request.text(id)
    }
  }
}

/**
 * Redis takes nothing back: where a command inside a transaction fails, what the others wrote stays, the checkpoint included. Only those on the ids can fail, so what
 * they stand in is looked at before. It isn't watched, as every partition writes there.
 * @throws store-refused
 */
function assertType(shard: Shard, reply: Reply | undefined, { ordered }: Generation): void {
  const type = String(reply)
  if (type === 'none' || type === (ordered ? 'zset' : 'set')) return
  throw refused(shard.where, new Error(`WRONGTYPE the key of the ids holds a ${type}`))
}

const innerFault = (replies: readonly Reply[]): Error | undefined => {
  const exec = replies.at(-1)
  return Array.isArray(exec) ? firstCause(exec) : undefined
}

/** What became of a transaction. @throws view-unavailable, store-refused */
function outcomeOf(shard: Shard, replies: readonly Reply[]): ShardOutcome | 'touched' {
  const fault = firstCause(replies) ?? innerFault(replies)
  if (fault !== undefined) throw isRefusal(fault) ? refused(shard.where, fault) : outage(shard.where, fault)
  return replies.at(-1) === null ? 'touched' : { kind: 'applied' }
}

function unavailable(error: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
  if (isLogfoldError(error, 'view-unavailable')) return { kind: 'unavailable', cause: error }
  throw error
}
