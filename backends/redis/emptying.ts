import { type Generation, generationName } from '../../src/model/view-backend.ts'
import type { Reply } from './connection.ts'
import { codeOf, outage } from './faults.ts'
import type { Names } from './names.ts'
import { Request } from './request.ts'
import { type Exclusive, firstCause, type Shard } from './shard.ts'

/** Entries a step deletes: the server is busy for a millisecond or two. */
const STEP_ENTRIES = 1_000

/** `opened`: an identity came to stand there meanwhile; nothing that is its was touched. `stopped`: by the signal. */
export type Emptied = 'emptied' | 'opened' | 'stopped'

/**
 * Deletes the entries of a generation without an identity, in small steps. Each is a transaction that watches the identity, so somebody who was paused in the middle
 * deletes nothing of a generation that was opened since.
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

  /** By the ids, and at last the ids themselves. Where the key of the ids holds something else, that goes, and `strays` finds the entries. */
  async byIds(signal?: AbortSignal): Promise<Emptied> {
    let cursor = '0'
    do {
      if (signal?.aborted) return 'stopped'
      const ids = this.#idsFrom(cursor)
      const seen = await this.#watch(ids)
      if (seen === 'opened') return seen
      const fault = seen instanceof Error ? seen : undefined
      if (fault !== undefined && codeOf(fault) !== 'WRONGTYPE') throw outage(this.#shard.where, fault)
      const found = fault === undefined ? this.#found(seen as Reply) : { cursor: '0', ids: [] }
      const done = await this.#delete(found.ids, found.cursor === '0')
      if (!done) return 'opened'
      cursor = found.cursor
    } while (cursor !== '0')
    return 'emptied'
  }

  /** Whatever else has a key of the generation's. Goes over all keys of the server. */
  async strays(keyPrefix: string): Promise<Emptied> {
    const pattern = `${globOf(`${keyPrefix}${generationName(this.#generation)}`)}[:/]*`
    let cursor = '0'
    do {
      const seen = await this.#watch(new Request().command('SCAN', cursor, 'MATCH', pattern, 'COUNT', String(STEP_ENTRIES)))
      if (seen === 'opened') return seen
      if (seen instanceof Error) throw outage(this.#shard.where, seen)
      const [next, keys] = seen as readonly [Buffer, readonly Buffer[]]
      if (keys.length > 0 && !(await this.#transaction(new Request().command('MULTI').command('UNLINK', ...keys)))) return 'opened'
      cursor = next.toString()
    } while (cursor !== '0')
    return 'emptied'
  }

  /** Watches the identity, sees that there is none, and asks. The answer is the last command's. */
  async #watch(question: Request): Promise<Reply | 'opened'> {
    const { identity } = this.#names
    const head = new Request().command('WATCH', identity).command('GET', identity)
    const replies = await this.#connection.send(head.join(question))
    const [watched, found, answer] = replies
    const fault = firstCause([watched ?? null, found ?? null])
    if (fault !== undefined) throw outage(this.#shard.where, fault)
    if (found === null) return answer ?? null
    await this.#connection.send(new Request().command('UNWATCH'))
    return 'opened'
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

  /** False where an identity came to stand there. */
  async #delete(ids: readonly Buffer[], last: boolean): Promise<boolean> {
    const { entry, ids: key } = this.#names
    const request = new Request().command('MULTI')
    if (ids.length > 0) {
      request.command('UNLINK', ...ids.map(id => Buffer.concat([entry, id])))
      request.command(this.#generation.ordered ? 'ZREM' : 'SREM', key, ...ids)
    }
    if (last) request.command('UNLINK', key)
    return await this.#transaction(request)
  }

  async #transaction(request: Request): Promise<boolean> {
    const replies = await this.#connection.send(request.command('EXEC'))
    const exec = replies.at(-1)
    const fault = firstCause(replies) ?? (Array.isArray(exec) ? firstCause(exec) : undefined)
    if (fault !== undefined) throw outage(this.#shard.where, fault)
    return exec !== null
  }
}

/** As a pattern that matches nothing but itself. */
const globOf = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&')
