import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import {
  checkpointZero,
  type Look,
  type Marks,
  type OpenOutcome,
  type Scan,
  type ScanOptions,
  type ShardStats,
  type ViewAdmin,
  vouchesFor,
} from '../../src/model/view-backend.ts'
import { Emptying } from './emptying.ts'
import { outage } from './faults.ts'
import { type Inspection, inspect } from './inspect.ts'
import { look } from './look.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { scanPage } from './scan.ts'
import { script } from './script.ts'
import type { Exclusive, Shard, Shards } from './shard.ts'
import {
  assertOpen,
  checkpointOf,
  checkpointsOf,
  checkpointText,
  identityText,
  openingOf,
  openingText,
  type Standing,
  standingOf,
} from './standing.ts'
import { begin, commit, discard } from './transaction.ts'

/** How often an operation begins anew because somebody else was at the same keys. */
const TRIES = 20

/**
 * KEYS: the identity, the mark `filled`, what serves, `emptying`; a checkpoint, or nothing.
 * ARGV: what was found at the identity, what serves when that is to go, too; what was found at the checkpoint. Empty where there was nothing.
 * Takes identity and mark away, so that nobody reads or writes any more. The identity becomes `emptying`.
 * Returns 0 where something else stands now than was found: then nothing was done. Else 1.
 */
const TAKE_IDENTITY = `local found = redis.call('MGET', unpack(KEYS))
if (found[1] or '') ~= ARGV[1] then return 0 end
if KEYS[5] and (found[5] or '') ~= ARGV[3] then return 0 end
if found[1] then redis.call('RENAME', KEYS[1], KEYS[4]) end
redis.call('UNLINK', KEYS[2])
if found[3] == ARGV[2] then redis.call('UNLINK', KEYS[3]) end
return 1`

/** Each change looks, in the moment it is made, whether what it rests on still stands: of several that open, mark or drop at the same time each finds what the others left. */
export class RedisAdmin implements ViewAdmin {
  readonly #shards: Shards
  readonly #generation: Generation
  readonly #names: Names

  constructor(shards: Shards, names: Names, generation: Generation) {
    this.#shards = shards
    this.#generation = generation
    this.#names = names
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

  async opening(name: string): Promise<string> {
    const shard = this.#shards.shard(name)
    const [reply] = await shard.read(new Request().command('MGET', this.#names.identity, this.#names.opening))
    const [found, opening] = reply as readonly Reply[]
    assertOpen(found, this.#generation, shard)
    return openingOf(opening)
  }

  async markFilled(name: string, opening: string, endOffsets: readonly Offset[]): Promise<boolean> {
    const shard = this.#shards.shard(name)
    const { identity, filled, opening: present, checkpoints } = this.#names
    return await shard.exclusive(async connection => {
      for (let tries = 0; tries < TRIES; tries++) {
        // Not the others: while the identity isn't touched, the opening is the same, and the checkpoints only grow.
        const [found, kept, ...rest] = await begin(shard, connection, [identity], [identity, present, ...checkpoints])
        const all = checkpointsOf(rest)
        const meant = standingOf(found, this.#generation, name).kind === 'open' && openingOf(kept) === opening
        if (!meant || all === undefined || !vouchesFor(all, endOffsets)) {
          await discard(connection)
          return false
        }
        if (await commit(shard, connection, new Request().command('SET', filled, '1'))) return true
      }
      throw inTheWay(shard)
    })
  }

  async serve(): Promise<void> {
    for (const shard of this.#shards.all) {
      const [reply] = await shard.read(new Request().command('MGET', this.#names.identity))
      const [found] = reply as readonly Reply[]
      assertOpen(found, this.#generation, shard)
    }
    for (const shard of this.#shards.all) await shard.exclusive(connection => this.#serve(shard, connection))
  }

  async marks(name: string): Promise<Marks> {
    const shard = this.#shards.shard(name)
    const { identity, filled, serving } = this.#names
    const [reply] = await shard.read(new Request().command('MGET', identity, filled, serving))
    const [found, mark, shown] = reply as readonly Reply[]
    assertOpen(found, this.#generation, shard)
    return { filled: Buffer.isBuffer(mark), shown: Buffer.isBuffer(shown) }
  }

  async stats(name: string): Promise<ShardStats> {
    const shard = this.#shards.shard(name)
    const { identity, ids } = this.#names
    const count = this.#generation.ordered ? 'ZCARD' : 'SCARD'
    const [found, entries] = await shard.read(new Request().command('GET', identity).command(count, ids))
    const open = standingOf(found, this.#generation, name).kind === 'open'
    return { entries: open ? Number(entries) : 0, bytes: undefined }
  }

  async scan(name: string, options: ScanOptions): Promise<Scan> {
    return await scanPage(this.#shards.shard(name), this.#generation, this.#names, options)
  }

  async look(name: string, ids: readonly string[]): Promise<Look> {
    const shard = this.#shards.shard(name)
    return await shard.list(read => look(read, shard, this.#generation, this.#names, ids))
  }

  async drop(signal?: AbortSignal): Promise<void> {
    const mine = new Map<Shard, 'open' | 'lost'>()
    for (const shard of this.#shards.all) {
      shard.assertOpen()
      if (signal?.aborted) return
      const standing = await shard.exclusive(connection => this.#takeIdentity(shard, connection))
      if (standing !== 'foreign') mine.set(shard, standing)
    }
    for (const [shard, standing] of mine) {
      if (signal?.aborted) return
      await shard.exclusive(connection => this.#dropEntries(shard, connection, standing === 'lost', signal))
    }
  }

  async #serve(shard: Shard, connection: Exclusive): Promise<void> {
    const { identity, serving } = this.#names
    for (let tries = 0; tries < TRIES; tries++) {
      const [found] = await begin(shard, connection, [identity], [identity])
      assertOpen(found, this.#generation, shard)
      if (await commit(shard, connection, new Request().command('SET', serving, generationName(this.#generation)))) return
    }
    throw inTheWay(shard)
  }

  async #open(shard: Shard, connection: Exclusive, anew: boolean): Promise<OpenOutcome | 'again' | 'overtaken'> {
    const keys = [this.#names.identity, this.#names.emptying, ...this.#names.checkpoints]
    const found = await this.#ask<readonly Reply[]>(shard, connection, new Request().command('MGET', ...keys))
    const [identity, , ...checkpoints] = found
    const standing = standingOf(identity, this.#generation, shard.name)
    if (standing.kind === 'foreign') return standing
    const missing = standing.kind === 'open' ? checkpoints.findIndex(each => checkpointOf(each) === undefined) : -1
    if (standing.kind === 'open' && missing < 0 && !anew) return 'kept'
    if (!(await this.#take(shard, connection, identity, missing < 0 ? {} : { checkpoint: [missing, checkpoints[missing]] }))) return 'again'
    // Before: what is evicted from now on isn't counted in.
    const [info] = await connection.send(new Request().command('INFO'))
    const inspection = inspect(shard.where, info)
    // Where something stood that doesn't name all its entries any more; of what was evicted, nothing may.
    const remnants = found.some(each => each !== null) || inspection.evictedKeys > 0
    const emptied = await new Emptying(shard, connection, this.#generation, this.#names).all(remnants)
    return emptied === 'emptied' && (await this.#begin(shard, connection, inspection)) ? 'opened' : 'overtaken'
  }

  /** Identity and checkpoint 0 for every partition, on an empty shard. */
  async #begin(shard: Shard, connection: Exclusive, inspection: Inspection): Promise<boolean> {
    const { identity, checkpoints, emptying, opening } = this.#names
    const [found] = await begin(shard, connection, [identity], [identity])
    if (found !== null) {
      await discard(connection)
      return false
    }
    const request = new Request().command('UNLINK', emptying)
    request.begin('MSET', 4 + checkpoints.length * 2)
    for (const key of checkpoints) request.raw(key).text(checkpointText(checkpointZero))
    request.raw(opening).text(openingText(inspection))
    request.raw(identity).text(identityText(this.#generation, shard.name))
    return await commit(shard, connection, request)
  }

  /** What it was. `foreign`: somebody opened the name for something else; nothing was done. */
  async #takeIdentity(shard: Shard, connection: Exclusive): Promise<Standing['kind']> {
    for (let tries = 0; tries < TRIES; tries++) {
      const [found] = await this.#ask<readonly Reply[]>(shard, connection, new Request().command('MGET', this.#names.identity))
      const { kind } = standingOf(found, this.#generation, shard.name)
      if (kind === 'foreign' || (await this.#take(shard, connection, found, { serving: generationName(this.#generation) }))) return kind
    }
    throw inTheWay(shard)
  }

  async #dropEntries(shard: Shard, connection: Exclusive, remnants: boolean, signal: AbortSignal | undefined): Promise<void> {
    const emptying = new Emptying(shard, connection, this.#generation, this.#names)
    if ((await emptying.all(remnants, signal)) === 'emptied') await emptying.marks()
  }

  /** False where something else stands now than was found. */
  async #take(shard: Shard, connection: Exclusive, found: Reply | undefined, more: Taken): Promise<boolean> {
    const { identity, filled, serving, emptying, checkpoints } = this.#names
    const [partition, at] = more.checkpoint ?? []
    const checkpoint = partition === undefined ? undefined : checkpoints[partition]
    const keys = [identity, filled, serving, emptying, ...(checkpoint === undefined ? [] : [checkpoint])]
    const request = script(TAKE_IDENTITY, keys, textOf(found), more.serving ?? '', textOf(at))
    return (await this.#ask(shard, connection, request)) === 1
  }

  async #ask<Answer extends Reply>(shard: Shard, connection: Exclusive, request: Request): Promise<Answer> {
    const [reply] = await connection.send(request)
    if (reply instanceof Error) throw outage(shard.where, reply)
    return reply as Answer
  }
}

interface Taken {
  /** What serves, where that is to go, too. */
  readonly serving?: string
  /** The partition of one that is missing, or can't be read, and what was found there: if that is mended meanwhile, somebody else opened it. */
  readonly checkpoint?: readonly [partition: number, found: Reply | undefined]
}

const textOf = (reply: Reply | undefined): Buffer | string => (Buffer.isBuffer(reply) ? reply : '')

const inTheWay = (shard: Shard): LogfoldError =>
  new LogfoldError('view-unavailable', `${shard.where}: somebody keeps changing the identity of the view`)
