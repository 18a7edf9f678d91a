import { type KafkaCluster, startKafka } from '../services/kafka-cluster.ts'
import { kafkaTool } from '../services/kafka-tools.ts'
import { type PostgresServer, startPostgres } from '../services/postgres-server.ts'
import { type RedisServers, startRedis } from '../services/redis-cluster.ts'

export const TOPIC = 'entries'
export const PARTITIONS = 6
export const SQLITE_FILE = 'views.sqlite'

/** Shards by the backend that has them, each name with the server that it is. Two rings share three servers; one has four of its own. */
export const RINGS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ring3: { a: 0, b: 1, c: 2 },
  ring4: { a: 0, b: 1, c: 2, d: 3 },
  apart4: { e: 4, f: 5, g: 6, h: 7 },
}
const REDIS_SERVERS = 8

export type BackendName = 'ring3' | 'ring4' | 'apart4' | 'pg' | 'file'
export const isRing = (backend: BackendName): boolean => backend in RINGS

export interface Servers extends AsyncDisposable {
  readonly kafka: KafkaCluster
  readonly redis: RedisServers
  readonly postgres: PostgresServer
}

/** Kafka with the topic in it, and the stores. */
export async function startServers(heapMegabytes: number): Promise<Servers> {
  const [kafka, redis, postgres] = await Promise.all([startKafka({ heapMegabytes }), startRedis({ servers: REDIS_SERVERS }), startPostgres()])
  const where = ['--bootstrap-server', kafka.bootstrap, '--create', '--topic', TOPIC]
  await kafkaTool('kafka-topics', [...where, '--partitions', String(PARTITIONS), '--config', 'cleanup.policy=compact'])
  const dispose = async (): Promise<void> => {
    await Promise.all([kafka.dispose(), redis.dispose(), postgres.dispose()])
  }
  return { kafka, redis, postgres, [Symbol.asyncDispose]: dispose }
}

/** Every backend, as the config names them. */
export function backendsOf({ redis, postgres }: Servers): Readonly<Record<BackendName, unknown>> {
  const ring = (name: string) => ({
    kind: 'redis',
    shards: Object.fromEntries(Object.entries(RINGS[name] ?? {}).map(([shard, nth]) => [shard, `redis://${redis.servers[nth]?.address}`])),
  })
  return {
    ring3: ring('ring3'),
    ring4: ring('ring4'),
    apart4: ring('apart4'),
    pg: { kind: 'postgres', url: postgres.url },
    file: { kind: 'sqlite', path: SQLITE_FILE },
  }
}
