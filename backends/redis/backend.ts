import { LogfoldError } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Generation, ViewAdmin, ViewBackend, ViewReader, ViewWriter } from '../../src/model/view-backend.ts'
import { RedisAdmin } from './admin.ts'
import { addressOf, placeOf, type RedisConfig } from './config.ts'
import type { Target } from './connection.ts'
import { RedisReader } from './reader.ts'
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

  constructor(config: RedisConfig, logger: Logger) {
    this.shards = Object.keys(config.shards)
    this.#ring = new Ring(this.shards)
    this.#keyPrefix = config.keyPrefix
    this.all = Object.entries(config.shards).map(([name, url]) => new Shard(name, targetOf(name, url, config), logger))
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
    return new RedisReader(this, this.#keyPrefix, generation)
  }

  writer(generation: Generation): ViewWriter {
    return new RedisWriter(this, this.#keyPrefix, generation)
  }

  admin(generation: Generation): ViewAdmin {
    return new RedisAdmin(this, this.#keyPrefix, generation)
  }

  async ping(shard: string): Promise<Error | undefined> {
    return await this.shard(shard).ping()
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map(shard => shard.close()))
  }
}

function targetOf(name: string, url: string, config: RedisConfig): Target {
  const address = addressOf(url)
  const { host, port, db, secure } = address
  const { ca, cert, key, rejectUnauthorized, servername } = config.tls ?? {}
  const own = address.password !== undefined
  return {
    where: `Shard ${name} (${placeOf(address)})`,
    host,
    port,
    db,
    username: own ? address.username : config.username,
    password: own ? address.password : config.password,
    tls: secure
      ? {
          ...(ca === undefined ? {} : { ca }),
          ...(cert === undefined ? {} : { cert }),
          ...(key === undefined ? {} : { key }),
          ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
          ...(servername === undefined ? {} : { servername }),
        }
      : undefined,
  }
}
