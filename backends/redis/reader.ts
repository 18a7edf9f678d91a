import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import type { ListOptions, Page, ViewReader } from '../../src/model/view-backend.ts'
import { listOrdered } from './list-ordered.ts'
import { listUnordered } from './list-unordered.ts'
import type { Names } from './names.ts'
import { perShard } from './per-shard.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import type { Shard, Shards } from './shard.ts'
import { assertOpen, checkpointsRequest, notOpen, readCheckpoints } from './standing.ts'
import { valuesOf, valuesRequest } from './values.ts'

export class RedisReader implements ViewReader {
  readonly #shards: Shards
  readonly #generation: Generation
  readonly #names: Names

  constructor(shards: Shards, names: Names, generation: Generation) {
    this.#shards = shards
    this.#generation = generation
    this.#names = names
  }

  /** One MGET a shard, which is one moment: the values, and whose they are. */
  async get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    for (const shard of this.#shards.all) shard.assertOpen()
    return await perShard(
      ids,
      id => this.#shards.shard(this.#shards.owner(id)),
      (shard, own) => this.#values(shard, own),
    )
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
    const [reply] = await shard.read(checkpointsRequest(this.#names))
    const read = readCheckpoints(reply, this.#generation, name)
    if (read.kind !== 'open') throw notOpen(read, this.#generation, shard)
    return read.checkpoints.map(({ vouched }) => vouched)
  }

  async filled(name: string): Promise<boolean> {
    const shard = this.#shards.shard(name)
    const { identity, filled } = this.#names
    const [reply] = await shard.read(new Request().command('MGET', identity, filled))
    const [found, mark] = reply as readonly Reply[]
    assertOpen(found, this.#generation, shard)
    return Buffer.isBuffer(mark)
  }

  async #values(shard: Shard, ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const [reply] = await shard.read(valuesRequest(this.#names, ids))
    return valuesOf(reply, ids.length, this.#generation, shard)
  }
}
