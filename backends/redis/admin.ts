import { LogfoldError } from '../../src/model/errors.ts'
import type { Offset } from '../../src/model/record.ts'
import { type Generation, generationName, type OpenOutcome, type ShardStats, type ViewAdmin, vouchesFor } from '../../src/model/view-backend.ts'
import type { Reply } from './connection.ts'
import { Emptying } from './emptying.ts'
import { outage } from './faults.ts'
import { type Names, namesOf } from './names.ts'
import { Request } from './request.ts'
import { type Exclusive, firstCause, type Shard, type Shards } from './shard.ts'
import { assertOpen, checkpointsOf, checkpointText, checkpointZero, identityText, standingOf } from './standing.ts'

/** How often an operation begins anew because somebody else was at the same keys. */
const TRIES = 20

/** Each change is a transaction that watches the identity: of several who open, mark or drop at the same time each finds what the others left. */
export class RedisAdmin implements ViewAdmin {
  readonly #shards: Shards
  readonly #keyPrefix: string
  readonly #generation: Generation
  readonly #names: Names

  constructor(shards: Shards, keyPrefix: string, generation: Generation) {
    this.#shards = shards
    this.#keyPrefix = keyPrefix
    this.#generation = generation
    this.#names = namesOf(keyPrefix, generation)
  }

  async open(name: string, options: { readonly anew?: boolean } = {}): Promise<OpenOutcome> {
    const shard = this.#shards.shard(name)
    return await shard.exclusive(async connection => {
      let anew = options.anew ?? false
      for (let tries = 0; tries < TRIES; tries++) {
        const outcome = await this.#open(shard, connection, anew)
        if (typeof outcome === 'object' || outcome === 'opened' || outcome === 'kept') return outcome
        // Somebody else opened it since this began.
        if (outcome === 'overtaken') anew = false
      }
      throw inTheWay(shard)
    })
  }

  async markFilled(name: string, endOffsets: readonly Offset[]): Promise<boolean> {
    const shard = this.#shards.shard(name)
    const { identity, filled, checkpoints } = this.#names
    return await shard.exclusive(async connection => {
      for (let tries = 0; tries < TRIES; tries++) {
        // Not the checkpoints: while the identity is the same, they only grow.
        const [found, ...rest] = await this.#watch(shard, connection, [identity], [identity, ...checkpoints])
        const all = checkpointsOf(rest)
        if (standingOf(found, this.#generation, name).kind !== 'open' || all === undefined || !vouchesFor(all, endOffsets)) {
          await connection.send(new Request().command('UNWATCH'))
          return false
        }
        if (await this.#transaction(shard, connection, new Request().command('MULTI').command('SET', filled, '1'))) return true
      }
      throw inTheWay(shard)
    })
  }

  async serve(): Promise<void> {
    for (const shard of this.#shards.all) {
      const [reply] = await shard.read(new Request().command('MGET', this.#names.identity))
      const [found] = reply as readonly Reply[]
      assertOpen(standingOf(found, this.#generation, shard.name), this.#generation, shard.where)
    }
    for (const shard of this.#shards.all) {
      await shard.exclusive(async connection => {
        const [reply] = await connection.send(new Request().command('SET', this.#names.serving, generationName(this.#generation)))
        if (reply instanceof Error) throw outage(shard.where, reply)
      })
    }
  }

  async stats(name: string): Promise<ShardStats> {
    const shard = this.#shards.shard(name)
    const { identity, ids } = this.#names
    const count = this.#generation.ordered ? 'ZCARD' : 'SCARD'
    const [found, entries] = await shard.read(new Request().command('GET', identity).command(count, ids))
    const open = standingOf(found, this.#generation, name).kind === 'open'
    return { entries: open ? Number(entries) : 0, bytes: undefined }
  }

  async drop(signal?: AbortSignal): Promise<void> {
    const mine: Shard[] = []
    for (const shard of this.#shards.all) {
      shard.assertOpen()
      if (signal?.aborted) return
      if (await shard.exclusive(connection => this.#takeIdentity(shard, connection))) mine.push(shard)
    }
    for (const shard of mine) {
      if (signal?.aborted) return
      await shard.exclusive(connection => this.#dropEntries(shard, connection, signal))
    }
  }

  async #open(shard: Shard, connection: Exclusive, anew: boolean): Promise<OpenOutcome | 'again' | 'overtaken'> {
    const { identity, filled, checkpoints } = this.#names
    const found = await this.#watch(shard, connection, [identity], [identity, ...checkpoints])
    const standing = standingOf(found[0], this.#generation, shard.name)
    const whole = standing.kind === 'open' && checkpointsOf(found.slice(1)) !== undefined
    if (standing.kind === 'foreign' || (whole && !anew)) {
      await connection.send(new Request().command('UNWATCH'))
      return standing.kind === 'foreign' ? standing : 'kept'
    }
    // First of all, so that nobody reads or writes any more.
    const taken = await this.#transaction(shard, connection, new Request().command('MULTI').command('UNLINK', identity, filled, ...checkpoints))
    if (!taken) return 'again'
    const emptying = new Emptying(shard, connection, this.#generation, this.#names)
    if ((await emptying.byIds()) !== 'emptied') return 'overtaken'
    // Where something stood that doesn't name all its entries any more.
    const remnants = found.some(reply => reply !== null)
    if (remnants && (await emptying.strays(this.#keyPrefix)) !== 'emptied') return 'overtaken'
    return (await this.#begin(shard, connection)) ? 'opened' : 'overtaken'
  }

  /** Identity and checkpoint 0 for every partition, on an empty shard. */
  async #begin(shard: Shard, connection: Exclusive): Promise<boolean> {
    const { identity, checkpoints } = this.#names
    const [found] = await this.#watch(shard, connection, [identity], [identity])
    if (found !== null) {
      await connection.send(new Request().command('UNWATCH'))
      return false
    }
    const request = new Request().command('MULTI').begin('MSET', 2 + checkpoints.length * 2)
    for (const key of checkpoints) request.raw(key).text(checkpointText(checkpointZero))
    request.raw(identity).text(identityText(this.#generation, shard.name))
    return await this.#transaction(shard, connection, request)
  }

  /** False where another identity stands: somebody opened the name for something else. */
  async #takeIdentity(shard: Shard, connection: Exclusive): Promise<boolean> {
    const { identity, filled, serving } = this.#names
    for (let tries = 0; tries < TRIES; tries++) {
      const [found, served] = await this.#watch(shard, connection, [identity, serving], [identity, serving])
      if (standingOf(found, this.#generation, shard.name).kind === 'foreign') {
        await connection.send(new Request().command('UNWATCH'))
        return false
      }
      const shows = Buffer.isBuffer(served) && served.toString() === generationName(this.#generation)
      const request = new Request().command('MULTI').command('UNLINK', identity, filled, ...(shows ? [serving] : []))
      if (await this.#transaction(shard, connection, request)) return true
    }
    throw inTheWay(shard)
  }

  async #dropEntries(shard: Shard, connection: Exclusive, signal: AbortSignal | undefined): Promise<void> {
    const { identity, checkpoints } = this.#names
    const emptied = await new Emptying(shard, connection, this.#generation, this.#names).byIds(signal)
    if (emptied !== 'emptied') return
    const [found] = await this.#watch(shard, connection, [identity], [identity])
    // Where it was opened meanwhile, they are its.
    if (found !== null) await connection.send(new Request().command('UNWATCH'))
    else await this.#transaction(shard, connection, new Request().command('MULTI').command('UNLINK', ...checkpoints))
  }

  /** Watches keys, and reads some in one moment. */
  async #watch(shard: Shard, connection: Exclusive, watched: readonly Buffer[], read: readonly Buffer[]): Promise<readonly Reply[]> {
    const replies = await connection.send(new Request().command('WATCH', ...watched).command('MGET', ...read))
    const fault = firstCause(replies)
    if (fault !== undefined) throw outage(shard.where, fault)
    return replies[1] as readonly Reply[]
  }

  /** False where a watched key was touched: nothing was done. */
  async #transaction(shard: Shard, connection: Exclusive, request: Request): Promise<boolean> {
    const replies = await connection.send(request.command('EXEC'))
    const exec = replies.at(-1)
    const fault = firstCause(replies) ?? (Array.isArray(exec) ? firstCause(exec) : undefined)
    if (fault !== undefined) throw outage(shard.where, fault)
    return exec !== null
  }
}

const inTheWay = (shard: Shard): LogfoldError =>
  new LogfoldError('view-unavailable', `${shard.where}: somebody keeps changing the identity of the view`)
