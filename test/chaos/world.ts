import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Broker, type KafkaCluster, startKafka } from '../services/kafka-cluster.ts'
import { kafkaTool } from '../services/kafka-tools.ts'
import { type PostgresServer, startPostgres } from '../services/postgres-server.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { Product } from './product.ts'
import { RedisShard } from './redis-shard.ts'

export const TOPIC = 'chaos'
export const PARTITIONS = 6
export const VIEWS = ['in_redis', 'in_postgres', 'in_sqlite'] as const
export const SHARDS = ['a', 'b', 'c'] as const
export type ShardName = (typeof SHARDS)[number]
export type LinkName = 'redis-a' | 'redis-b' | 'redis-c' | 'postgres' | 'kafka'

/** How each Redis server keeps what it holds. */
const DURABILITY: Readonly<Record<ShardName, Readonly<Record<string, string>>>> = {
  a: { appendonly: 'yes', appendfsync: 'always' },
  b: { appendonly: 'yes', appendfsync: 'everysec' },
  c: { appendonly: 'no' },
}

const SCHEMA = {
  type: 'object',
  properties: { key: { type: 'string' }, writer: { type: 'string' }, seq: { type: 'integer' } },
  required: ['key', 'writer', 'seq'],
}

/** The servers, the links to them, and two workers and two APIs on one topic and three views, each in a store of its own. */
export class World implements AsyncDisposable {
  readonly folder: string
  readonly kafka: KafkaCluster
  readonly broker: Broker
  readonly postgres: PostgresServer
  readonly shards: ReadonlyMap<ShardName, RedisShard>
  readonly links: ReadonlyMap<LinkName, TcpProxy>
  readonly workers: readonly Product[]
  /** The one that comes and goes. */
  readonly guest: Product
  readonly apis: readonly Product[]

  private constructor(folder: string, servers: Servers, products: readonly Product[]) {
    this.folder = folder
    this.kafka = servers.kafka
    this.broker = servers.broker
    this.postgres = servers.postgres
    this.shards = servers.shards
    this.links = servers.links
    const [first, second, guest, ...apis] = products
    if (first === undefined || second === undefined || guest === undefined) throw new Error('There are two workers and a guest')
    this.workers = [first, second]
    this.guest = guest
    this.apis = apis
  }

  /** @param folder that is there, for data and what everybody says */
  static async start(folder: string): Promise<World> {
    const servers = await startServers(folder)
    const config = join(folder, 'logfold.yaml')
    writeFileSync(join(folder, 'value.schema.json'), JSON.stringify(SCHEMA))
    writeFileSync(config, JSON.stringify(configOf(servers.links), null, 2))
    const plan = (name: string, role: 'api' | 'worker') => Product.plan({ name, role, config, dataDir: join(folder, 'data'), logFolder: folder })
    const products = await Promise.all([
      plan('worker-1', 'worker'),
      plan('worker-2', 'worker'),
      plan('worker-3', 'worker'),
      plan('api-1', 'api'),
      plan('api-2', 'api'),
    ])
    const world = new World(folder, servers, products)
    try {
      await Promise.all([...world.workers, ...world.apis].map(product => product.start()))
      await Promise.all([...world.workers, ...world.apis].map(product => product.ready()))
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
    return world
  }

  get products(): readonly Product[] {
    return [...this.workers, this.guest, ...this.apis]
  }

  /** Past the proxy, for whoever is no part of logfold. */
  get direct(): string {
    return this.broker.addresses.DIRECT ?? ''
  }

  link(name: LinkName): TcpProxy {
    const link = this.links.get(name)
    if (link === undefined) throw new Error(`There is no link ${name}`)
    return link
  }

  shard(name: ShardName): RedisShard {
    const shard = this.shards.get(name)
    if (shard === undefined) throw new Error(`There is no shard ${name}`)
    return shard
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.products.map(product => product.end('SIGKILL')))
    await Promise.all([this.kafka.dispose(), this.postgres.dispose(), ...[...this.shards.values()].map(shard => shard.dispose())])
    await Promise.all([...this.links.values()].map(link => link.close()))
  }
}

interface Servers {
  readonly kafka: KafkaCluster
  readonly broker: Broker
  readonly postgres: PostgresServer
  readonly shards: ReadonlyMap<ShardName, RedisShard>
  readonly links: ReadonlyMap<LinkName, TcpProxy>
}

async function startServers(folder: string): Promise<Servers> {
  const toKafka = await TcpProxy.start(0)
  const advertised = (listener: string): string | undefined => (listener === 'PLAINTEXT' ? toKafka.address : undefined)
  const [kafka, postgres, ...shards] = await Promise.all([
    startKafka({ listeners: { DIRECT: 'PLAINTEXT' }, advertised, heapMegabytes: 400 }),
    startPostgres(),
    ...SHARDS.map(name => RedisShard.start(name, join(folder, `redis-${name}`), DURABILITY[name])),
  ])
  const [broker] = kafka.brokers
  if (broker === undefined) throw new Error('One broker was started')
  toKafka.targetPort = broker.port
  mkdirSync(join(folder, 'data'), { recursive: true })
  await makeTopic(broker.addresses.DIRECT ?? '')
  const links = new Map<LinkName, TcpProxy>([
    ['kafka', toKafka],
    ['postgres', await TcpProxy.start(postgres.port)],
  ])
  for (const shard of shards) links.set(`redis-${shard.name}`, await TcpProxy.start(shard.port))
  return { kafka, broker, postgres, shards: new Map(shards.map(shard => [shard.name, shard])), links }
}

/** Compacted all the time, but for the last seconds: who reads it from the start, as the judge does, gets every record. */
async function makeTopic(bootstrap: string): Promise<void> {
  const settings = {
    'cleanup.policy': 'compact',
    'segment.ms': 2_000,
    'min.cleanable.dirty.ratio': 0.01,
    'min.compaction.lag.ms': 4_000,
    'max.compaction.lag.ms': 8_000,
    'delete.retention.ms': 300_000,
  }
  const configs = Object.entries(settings).flatMap(([name, value]) => ['--config', `${name}=${value}`])
  const where = ['--bootstrap-server', bootstrap, '--create', '--topic', TOPIC]
  await kafkaTool('kafka-topics', [...where, '--partitions', String(PARTITIONS), '--replication-factor', '1', ...configs])
}

function configOf(links: ReadonlyMap<LinkName, TcpProxy>): unknown {
  const at = (name: LinkName): string => links.get(name)?.address ?? ''
  const view = (backend: string) => ({ topic: TOPIC, partitions: PARTITIONS, backend, jsonSchema: 'value.schema.json' })
  return {
    log: { kind: 'kafka', brokers: at('kafka') },
    backends: {
      ring: { kind: 'redis', shards: Object.fromEntries(SHARDS.map(name => [name, `redis://${at(`redis-${name}`)}`])) },
      pg: { kind: 'postgres', url: `postgres://postgres@${at('postgres')}/postgres` },
      file: { kind: 'sqlite', path: 'views.sqlite' },
    },
    views: { in_redis: view('ring'), in_postgres: view('pg'), in_sqlite: view('file') },
    logging: { level: 'info', format: 'json' },
  }
}
