import type { Generation } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import {
  type CommandPlace,
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
import { drop } from './drop.ts'
import { Emptying } from './emptying.ts'
import { droppedField } from './fence.ts'
import { type Inspection, inspect } from './inspect.ts'
import { look } from './look.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { scanPage } from './scan.ts'
import { ASK, script } from './script.ts'
import { isShown, serve } from './serve.ts'
import type { Exclusive, Shard, Shards } from './shard.ts'
import { assertOpen, checkpointOf, checkpointsOf, checkpointText, identityText, openingOf, openingText, standingOf } from './standing.ts'
import { stats } from './stats.ts'
import { ask, begin, commit, discard, inTheWay, TRIES, textOf } from './transaction.ts'

/**
 * KEYS: the identity, the mark `filled`, `emptying`; a checkpoint, or nothing.
 * ARGV: what was found at the identity; what was found at the checkpoint. Empty where there was nothing.
 * Takes identity and mark away, so that nobody reads or writes any more. The identity becomes `emptying`.
 * Returns 0 where something else stands now than was found: then nothing was done. Else 1.
 */
const TAKE_IDENTITY = `local found = redis.call('MGET', unpack(KEYS))
if (found[1] or '') ~= ARGV[1] then return 0 end
if KEYS[4] and (found[4] or '') ~= ARGV[2] then return 0 end
if found[1] then redis.call('RENAME', KEYS[1], KEYS[3]) end
redis.call('UNLINK', KEYS[2])
return 1`

/** Each change looks, in the moment it is made, whether what it rests on still stands: of several that open, mark, show or drop at the same time each finds what the others left. */
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
        if (outcome !== 'again' && outcome !== 'overtaken') return outcome
        // Somebody else opened or dropped it since this began.
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
        const [values] = await begin(shard, connection, [identity], new Request().command('MGET', identity, present, ...checkpoints))
        const [found, kept, ...rest] = values as readonly Reply[]
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

  async serve(name: string, since: CommandPlace): Promise<'shown' | 'outdated'> {
    const shard = this.#shards.shard(name)
    return await shard.exclusive(connection => serve(shard, connection, this.#generation, this.#names, since))
  }

  async marks(name: string): Promise<Marks> {
    const shard = this.#shards.shard(name)
    const { identity, filled, serving } = this.#names
    const [reply] = await shard.read(new Request().command('MGET', identity, filled, serving))
    const [found, mark, shown] = reply as readonly Reply[]
    assertOpen(found, this.#generation, shard)
    return { filled: Buffer.isBuffer(mark), shown: isShown(shown, this.#generation) }
  }

  async stats(name: string): Promise<ShardStats> {
    return await stats(this.#shards.shard(name), this.#generation, this.#names)
  }

  async scan(name: string, options: ScanOptions): Promise<Scan> {
    return await scanPage(this.#shards.shard(name), this.#generation, this.#names, options)
  }

  async look(name: string, ids: readonly string[]): Promise<Look> {
    const shard = this.#shards.shard(name)
    return await shard.list(read => look(read, shard, this.#generation, this.#names, ids))
  }

  async drop(name: string, signal?: AbortSignal): Promise<void> {
    const shard = this.#shards.shard(name)
    shard.assertOpen()
    if (signal?.aborted) return
    await shard.exclusive(connection => drop(shard, connection, this.#generation, this.#names, signal))
  }

  async #open(shard: Shard, connection: Exclusive, anew: boolean): Promise<OpenOutcome | 'again' | 'overtaken'> {
    const keys = [this.#names.identity, this.#names.emptying, ...this.#names.checkpoints]
    const request = script(ASK, keys, 'HEXISTS', this.#names.fence, droppedField(this.#generation))
    const [dropped, found] = await ask<readonly [Reply, readonly Reply[]]>(shard, connection, request)
    if (dropped === 1) return 'dropped'
    const [identity, , ...checkpoints] = found
    const standing = standingOf(identity, this.#generation, shard.name)
    if (standing.kind === 'foreign') return standing
    const missing = standing.kind === 'open' ? checkpoints.findIndex(each => checkpointOf(each) === undefined) : -1
    if (standing.kind === 'open' && missing < 0 && !anew) return 'kept'
    const rest = missing < 0 ? undefined : { partition: missing, found: checkpoints[missing] }
    if (!(await this.#take(shard, connection, identity, rest))) return 'again'
    // Before: what is evicted from now on isn't counted in.
    const [info] = await connection.send(new Request().command('INFO'))
    const inspection = inspect(shard.where, info)
    // Where something stood that doesn't name all its entries any more; of what was evicted, nothing may.
    const remnants = found.some(each => each !== null) || inspection.evictedKeys > 0
    const emptied = await new Emptying(shard, connection, this.#generation, this.#names).all(remnants)
    return emptied === 'emptied' && (await this.#begin(shard, connection, inspection)) ? 'opened' : 'overtaken'
  }

  /** Identity and checkpoint 0 for every partition, on an empty shard. False where somebody else opened or dropped it. */
  async #begin(shard: Shard, connection: Exclusive, inspection: Inspection): Promise<boolean> {
    const { identity, checkpoints, emptying, opening, fence } = this.#names
    const read = new Request().command('EXISTS', identity).command('HEXISTS', fence, droppedField(this.#generation))
    const [opened, dropped] = await begin(shard, connection, [identity, fence], read)
    if (opened !== 0 || dropped !== 0) {
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

  /** False where something else stands now than was found. */
  async #take(shard: Shard, connection: Exclusive, found: Reply | undefined, missing?: Missing): Promise<boolean> {
    const { identity, filled, emptying, checkpoints } = this.#names
    const checkpoint = missing === undefined ? undefined : checkpoints[missing.partition]
    const keys = [identity, filled, emptying, ...(checkpoint === undefined ? [] : [checkpoint])]
    return (await ask(shard, connection, script(TAKE_IDENTITY, keys, textOf(found), textOf(missing?.found)))) === 1
  }
}

/** A checkpoint that is missing, or can't be read: if what was found there is mended meanwhile, somebody else opened the shard. */
interface Missing {
  readonly partition: number
  readonly found: Reply | undefined
}
