import { LogfoldError } from '../../src/model/errors.ts'
import type { Offset } from '../../src/model/record.ts'
import { type Generation, generationName, type ListOptions, type Page, type ViewReader } from '../../src/model/view-backend.ts'
import type { Reply } from './connection.ts'
import { listOrdered } from './list-ordered.ts'
import { listUnordered } from './list-unordered.ts'
import { type Names, namesOf } from './names.ts'
import { Request } from './request.ts'
import type { Shard, Shards } from './shard.ts'
import { assertOpen, checkpointsOf, standingOf } from './standing.ts'
import { valuesOf, valuesRequest } from './values.ts'

export class RedisReader implements ViewReader {
  readonly #shards: Shards
  readonly #generation: Generation
  readonly #names: Names

  constructor(shards: Shards, keyPrefix: string, generation: Generation) {
    this.#shards = shards
    this.#generation = generation
    this.#names = namesOf(keyPrefix, generation)
  }

  /** One MGET a shard, which is one moment: the values, and whose they are. */
  async get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    for (const shard of this.#shards.all) shard.assertOpen()
    const indexes = Map.groupBy(ids.keys(), at => this.#shards.owner(ids[at] ?? ''))
    const values: (Uint8Array | undefined)[] = Array(ids.length).fill(undefined)
    await Promise.all(
      [...indexes].map(async ([name, at]) => {
        const found = await this.#values(
          this.#shards.shard(name),
          at.map(index => ids[index] ?? ''),
        )
        for (const [number, index] of at.entries()) values[index] = found[number]
      }),
    )
    return values
  }

  async list(options: ListOptions): Promise<Page> {
    if (this.#generation.ordered) return await listOrdered(this.#shards, this.#generation, this.#names, options)
    if ((options.prefix ?? '') !== '') {
      throw new LogfoldError('internal', `${generationName(this.#generation)} is not ordered, so it takes no prefix`)
    }
    return await listUnordered(this.#shards, this.#generation, this.#names, options)
  }

  async vouched(name: string): Promise<readonly Offset[]> {
    const shard = this.#shards.shard(name)
    const { identity, checkpoints } = this.#names
    const [reply] = await shard.read(new Request().command('MGET', identity, ...checkpoints))
    const [found, ...rest] = reply as readonly Reply[]
    assertOpen(standingOf(found, this.#generation, shard.name), this.#generation, shard.where)
    const all = checkpointsOf(rest)
    if (all !== undefined) return all.map(checkpoint => checkpoint.vouched)
    throw new LogfoldError('view-lost', `${shard.where} lacks a checkpoint of ${generationName(this.#generation)}`)
  }

  async filled(): Promise<boolean> {
    const marks = await Promise.all(
      this.#shards.all.map(async shard => {
        const { identity, filled } = this.#names
        const [reply] = await shard.read(new Request().command('MGET', identity, filled))
        const [found, mark] = reply as readonly Reply[]
        assertOpen(standingOf(found, this.#generation, shard.name), this.#generation, shard.where)
        return Buffer.isBuffer(mark)
      }),
    )
    return marks.every(Boolean)
  }

  async #values(shard: Shard, ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const [reply] = await shard.read(valuesRequest(this.#names, ids))
    return valuesOf(reply, ids.length, this.#generation, shard)
  }
}
