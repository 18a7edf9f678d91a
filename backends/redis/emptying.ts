import { failPoint } from '../../src/model/fail-point.ts'
import type { Generation } from '../../src/model/generation.ts'
import { codeOf, outage } from './faults.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { script } from './script.ts'
import type { Exclusive, Shard } from './shard.ts'

/** Entries a step deletes: the server is busy for a millisecond or two. */
const STEP_ENTRIES = 1_000

/**
 * KEYS: the identity, the key of the ids, an entry for each of these ids.
 * ARGV: SREM or ZREM, at least one id.
 * Deletes the entries, and takes the ids out of their key.
 * Returns 0 where an identity stands: then nothing was done. Else 1.
 */
const TAKE_OUT = `if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('UNLINK', unpack(KEYS, 3))
redis.call(ARGV[1], KEYS[2], unpack(ARGV, 2))
return 1`

/**
 * KEYS: the identity, a key.
 * ARGV: a type, as TYPE says it.
 * Deletes the key where it holds something of another type.
 * Returns 0 where an identity stands: then nothing was done. Else 1.
 */
const DELETE_OTHER = `if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if redis.call('TYPE', KEYS[2]).ok ~= ARGV[1] then redis.call('UNLINK', KEYS[2]) end
return 1`

/**
 * KEYS: the identity, at least one key.
 * ARGV: none.
 * Deletes the keys.
 * Returns 0 where an identity stands: then nothing was done. Else 1.
 */
const DELETE = `if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('UNLINK', unpack(KEYS, 2))
return 1`

/** `opened`: an identity came to stand there meanwhile; nothing that is its was touched. `stopped`: by the signal. */
export type Emptied = 'emptied' | 'opened' | 'stopped'

/**
 * Deletes the entries of a generation without an identity, in small steps. Each looks for the identity in the moment it deletes, so that a process that was paused in the middle
 * deletes nothing of a generation that was opened since. What is deleted are always whole entries with their ids, so that a generation that came and went meanwhile
 * leaves nothing unnamed either. The checkpoints stay, and so does `emptying`: while one of them stands, the worker that opens it knows that something may be left.
 */
export class Emptying {
  readonly #shard: Shard
  readonly #connection: Exclusive
  readonly #generation: Generation
  readonly #names: Names

  constructor(shard: Shard, connection: Exclusive, generation: Generation, names: Names) {
    this.#shard = shard
    this.#connection = connection
    this.#generation = generation
    this.#names = names
  }

  /** @param remnants whether entries may be there that the ids don't name. Where the ids are found to be something else, they are. */
  async all(remnants: boolean, signal?: AbortSignal): Promise<Emptied> {
    const emptied = await this.byIds(signal)
    return emptied === 'unlisted' || (remnants && emptied === 'emptied') ? await this.strays(signal) : emptied
  }

  /** By the ids. `unlisted`: their key held something else, which was deleted. */
  async byIds(signal?: AbortSignal): Promise<Emptied | 'unlisted'> {
    const { ordered } = this.#generation
    const { identity, ids: key } = this.#names
    let cursor = '0'
    do {
      if (signal?.aborted) return 'stopped'
      const reply = await this.#ask(this.#idsFrom(cursor))
      if (reply instanceof Error) {
        if (codeOf(reply) !== 'WRONGTYPE') throw outage(this.#shard.where, reply)
        return (await this.#did(script(DELETE_OTHER, [identity, key], ordered ? 'zset' : 'set'))) ? 'unlisted' : 'opened'
      }
      const found = this.#found(reply)
      if (!(await this.#takeOut(found.ids))) return 'opened'
      cursor = found.cursor
    } while (cursor !== '0')
    return 'emptied'
  }

  /** Whatever else has a key of the generation's. Goes over all keys of the server. */
  async strays(signal?: AbortSignal): Promise<Emptied> {
    const { identity, ids, emptying, checkpoints, pattern } = this.#names
    const spared = new Set([ids, emptying, ...checkpoints].map(key => key.toString('latin1')))
    let cursor = '0'
    do {
      if (signal?.aborted) return 'stopped'
      const reply = await this.#ask(new Request().command('SCAN', cursor, 'MATCH', pattern, 'COUNT', String(STEP_ENTRIES)))
      if (reply instanceof Error) throw outage(this.#shard.where, reply)
      const [next, found] = reply as readonly [Buffer, readonly Buffer[]]
      const keys = found.filter(key => !spared.has(key.toString('latin1')))
      for (const some of inSteps(keys)) if (!(await this.#did(script(DELETE, [identity, ...some])))) return 'opened'
      cursor = next.toString()
    } while (cursor !== '0')
    return 'emptied'
  }

  /** The last of all. */
  async marks(): Promise<void> {
    const { identity, checkpoints, emptying, opening } = this.#names
    await this.#did(script(DELETE, [identity, emptying, opening, ...checkpoints]))
  }

  async #ask(question: Request): Promise<Reply> {
    const [reply = null] = await this.#connection.send(question)
    return reply
  }

  /** False where an identity came to stand there. */
  async #did(request: Request): Promise<boolean> {
    const reply = await this.#ask(request)
    if (reply instanceof Error) throw outage(this.#shard.where, reply)
    return reply === 1
  }

  #idsFrom(cursor: string): Request {
    const { ids } = this.#names
    // What was found is deleted, so the next begin at the start again.
    if (this.#generation.ordered) return new Request().command('ZRANGE', ids, '0', String(STEP_ENTRIES - 1))
    return new Request().command('SSCAN', ids, cursor, 'COUNT', String(STEP_ENTRIES))
  }

  #found(reply: Reply): { readonly cursor: string; readonly ids: readonly Buffer[] } {
    if (!this.#generation.ordered) {
      const [cursor, ids] = reply as readonly [Buffer, readonly Buffer[]]
      return { cursor: cursor.toString(), ids }
    }
    const ids = reply as readonly Buffer[]
    return { cursor: ids.length < STEP_ENTRIES ? '0' : '1', ids }
  }

  async #takeOut(ids: readonly Buffer[]): Promise<boolean> {
    const { entry, ids: key, identity } = this.#names
    for (const some of inSteps(ids)) {
      const entries = some.map(id => Buffer.concat([entry, id]))
      const request = script(TAKE_OUT, [identity, key, ...entries], this.#generation.ordered ? 'ZREM' : 'SREM', ...some)
      if (!(await this.#did(request))) return false
      failPoint('redis/entries-deleted')
    }
    return true
  }
}

/** SCAN and SSCAN may give many more than they are asked for, and a script takes no more than some thousand arguments. */
function* inSteps(keys: readonly Buffer[]): Generator<readonly Buffer[]> {
  for (let at = 0; at < keys.length; at += STEP_ENTRIES) yield keys.slice(at, at + STEP_ENTRIES)
}
