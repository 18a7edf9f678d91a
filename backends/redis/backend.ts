import { LogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Capacity, ViewAdmin, ViewBackend, ViewReader, ViewWriter } from '../../src/model/view-backend.ts'
import { RedisAdmin } from './admin.ts'
import { capacity } from './capacity.ts'
import { addressOf, placeOf, type RedisConfig } from './config.ts'
import type { Target } from './connection.ts'
import { type Names, namesOf } from './names.ts'
import { RedisReader } from './reader.ts'
import { missingRight } from './rights.ts'
import { Ring } from './ring.ts'
import { Shard, type Shards } from './shard.ts'
import { RedisWriter } from './writer.ts'

/** A ring of Redis servers that know nothing of each other. A connection is made when it is first needed. */
export class RedisBackend implements ViewBackend, Shards {
  readonly shards: readonly string[]
  readonly all: readonly Shard[]
  readonly #ring: Ring
  readonly #byName: ReadonlyMap<string, Shard>
  readonly #keyPrefix: string
  /** Whether anybody asked for a generation. */
  #used = false

  /** @param names of the shards to connect; each has an address in the config */
  constructor(config: RedisConfig, names: readonly string[], logger: Logger) {
    this.shards = names
    this.#ring = new Ring(this.shards)
    this.#keyPrefix = config.keyPrefix
    this.all = names.map(name => new Shard(name, targetOf(name, config), logger))
    this.#byName = new Map(this.all.map(shard => [shard.name, shard]))
  }

  owner(id: string): string {
    return this.#ring.owner(id)
  }

  shard(name: string): Shard {
    const shard = this.#byName.get(name)
    if (shard === undefined) throw new LogfoldError('internal', `There is no shard ${name}; there are ${this.shards.join(', ')}`)
    return shard
  }

  reader(generation: Generation): ViewReader {
    return new RedisReader(this, this.#namesOf(generation), generation)
  }

  writer(generation: Generation): ViewWriter {
    return new RedisWriter(this, this.#namesOf(generation), generation)
  }

  admin(generation: Generation): ViewAdmin {
    return new RedisAdmin(this, this.#namesOf(generation), generation)
  }

  async ping(shard: string): Promise<Error | undefined> {
    const asked = this.shard(shard)
    const fault = await asked.ping()
    // A worker finds out by folding; and an API process may do without the right to write.
    return fault ?? (this.#used ? undefined : await missingRight(asked, this.#keyPrefix))
  }

  async capacity(shard: string): Promise<Capacity | undefined> {
    return await capacity(this.shard(shard))
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map(shard => shard.close()))
  }

  #namesOf(generation: Generation): Names {
    this.#used = true
    const names = namesOf(this.#keyPrefix, generation)
    for (const shard of this.all) shard.know(names)
    return names
  }
}

/** @throws internal where the config has no such shard */
function targetOf(name: string, config: RedisConfig): Target {
  const url = Object.hasOwn(config.shards, name) ? config.shards[name] : undefined
  if (url === undefined)
    throw new LogfoldError('internal', `There is no address for shard ${name}; there are some for ${Object.keys(config.shards).join(', ')}`)
  const address = addressOf(url)
  const { host, port, db, secure } = address
  const own = address.password !== undefined
  return {
    where: `Shard ${name} (${placeOf(address)})`,
    host,
    port,
    db,
    username: own ? address.username : config.username,
    password: own ? address.password : config.password,
    tls: secure ? (config.tls ?? {}) : undefined,
  }
}
