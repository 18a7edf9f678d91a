import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { failPoint } from '../../src/model/fail-point.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Batch, ShardCheckpoints, ShardOutcome, ViewOp, ViewWriter } from '../../src/model/view-backend.ts'
import { faultOf, isRefusal, outage, refused } from './faults.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Exclusive, Shard, Shards } from './shard.ts'
import { checkpointOf, checkpointsRequest, checkpointText, readCheckpoints, standingOf } from './standing.ts'
import { discard } from './transaction.ts'

/** Ops a command: all of a batch are in one transaction, so this bounds nothing but the size of a command. */
const OPS_PER_COMMAND = 2_000
/** How often a batch is tried whose keys somebody touched without moving the checkpoint. */
const TRIES = 10

export class RedisWriter implements ViewWriter {
  readonly #shards: Shards
  readonly #generation: Generation
  readonly #names: Names
  /** `shard/partition` of checkpoints that stand for what wasn't written, and couldn't be taken away yet. */
  readonly #untrue = new Set<string>()

  constructor(shards: Shards, names: Names, generation: Generation) {
    this.#shards = shards
    this.#generation = generation
    this.#names = names
  }

  /**
   * One transaction: WATCH, compare, MULTI. Between the comparison and EXEC nobody can have touched identity or checkpoint, whatever it was
   * (another batch, an opening, a flush): Redis then refuses EXEC.
   */
  async apply(name: string, batch: Batch): Promise<ShardOutcome> {
    const shard = this.#shards.shard(name)
    shard.assertOpen()
    const key = this.#names.checkpoints[batch.partition]
    if (key === undefined) return { kind: 'lost' }
    try {
      return await shard.exclusive(async connection => {
        if (this.#untrue.has(`${name}/${batch.partition}`)) await this.#takeAway(shard, connection, key, batch)
        for (let tries = 0; tries < TRIES; tries++) {
          const outcome = await this.#try(shard, connection, key, batch)
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
      const [reply] = await shard.read(checkpointsRequest(this.#names))
      return readCheckpoints(reply, this.#generation, name)
    } catch (error) {
      return unavailable(error)
    }
  }

  async #try(shard: Shard, connection: Exclusive, key: Buffer, batch: Batch): Promise<ShardOutcome | 'touched'> {
    const { identity, ids } = this.#names
    // MULTI's answer is awaited before anything is sent into the transaction: where the user may not begin one, each command would be carried out alone.
    const look = new Request().command('WATCH', identity, key).command('MGET', identity, key).command('TYPE', ids).command('MULTI')
    // The batch is written down while the server answers. Where that fails, nobody waits for the answer any more.
    const [seen, request] = await Promise.all([connection.send(look), this.#transaction(connection.large.reset(), key, batch)])
    const fault = faultOf(seen)
    if (fault !== undefined) throw outage(shard.where, fault)
    const outcome = this.#compare(shard.name, seen[1] as readonly Reply[], batch)
    if (outcome !== undefined) {
      await discard(connection)
      return outcome
    }
    assertType(shard, seen[2], this.#generation)
    failPoint('redis/watched')
    const sending = connection.send(request)
    failPoint('redis/sent')
    const replies = await sending
    failPoint('redis/answered')
    // The key of ids was exchanged, or the user's rights taken away, in just this moment. The checkpoint must not stand for what wasn't written.
    if (Array.isArray(replies.at(-1)) && faultOf(replies) !== undefined) await this.#takeAway(shard, connection, key, batch)
    return outcomeOf(shard, replies)
  }

  /** A checkpoint that stands for what wasn't written: the shard is lost then. Until it is taken away no batch of the partition is answered. */
  async #takeAway(shard: Shard, connection: Exclusive, key: Buffer, { partition }: Batch): Promise<void> {
    const name = `${shard.name}/${partition}`
    this.#untrue.add(name)
    const [reply] = await connection.send(new Request().command('UNLINK', key))
    if (reply instanceof Error) throw outage(shard.where, reply)
    this.#untrue.delete(name)
  }

  /** Undefined where the batch may be written. */
  #compare(shard: string, [identity, found]: readonly Reply[], { from, vouched }: Batch): ShardOutcome | undefined {
    const standing = standingOf(identity, this.#generation, shard)
    if (standing.kind === 'foreign') return standing
    const checkpoint = standing.kind === 'open' ? checkpointOf(found) : undefined
    if (checkpoint === undefined) return { kind: 'lost' }
    return checkpoint.position === from && checkpoint.vouched === vouched ? undefined : { kind: 'elsewhere', checkpoint }
  }

  async #transaction(request: Request, checkpointKey: Buffer, { ops, checkpoint }: Batch): Promise<Request> {
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

/** What became of a transaction. @throws view-unavailable, store-refused */
function outcomeOf(shard: Shard, replies: readonly Reply[]): ShardOutcome | 'touched' {
  const fault = faultOf(replies)
  if (fault !== undefined) throw isRefusal(fault) ? refused(shard.where, fault) : outage(shard.where, fault)
  return replies.at(-1) === null ? 'touched' : { kind: 'applied' }
}

function unavailable(error: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
  if (isLogfoldError(error, 'view-unavailable')) return { kind: 'unavailable', cause: error }
  throw error
}
