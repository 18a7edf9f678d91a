import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from '../backends/postgres/index.ts'
import redis from '../backends/redis/index.ts'
import sqlite from '../backends/sqlite/index.ts'
import type { KafkaLog } from '../src/log/kafka/log.ts'
import type { BackendModule } from '../src/model/backend-module.ts'
import type { Topic } from '../src/model/log.ts'
import type { ViewBackend } from '../src/model/view-backend.ts'
import { startKafka } from '../test/services/kafka-cluster.ts'
import { startPostgres } from '../test/services/postgres-server.ts'
import { startRedis } from '../test/services/redis-cluster.ts'
import { quiet } from '../test/support/quiet.ts'
import { fold } from './support/fold.ts'
import { PARTITIONS, RECORDS } from './support/jobs.ts'
import { benchLog, fillTopic } from './support/kafka-topic.ts'
import { copy, preparedUpserts, redisPipe } from './support/limits.ts'
import { printPeak } from './support/peak.ts'
import { kafkajsConsumer, ownReader } from './support/readers.ts'
import { compare } from './support/rounds.ts'

/**
 * How fast a view is folded: reading alone, beside kafkajs's own consumer; and from Kafka into each store, beside what that store takes at most. On servers of its own.
 * `npm run bench -- ingest [reading] [sqlite] [redis] [postgres]`; BENCH_RECORDS and BENCH_ROUNDS change the size.
 */

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)
const NAMES = ['a', 'b', 'c']

interface Given {
  readonly bootstrap: string
  readonly log: KafkaLog
  readonly topic: Topic
}

const sections: Readonly<Record<string, (given: Given) => Promise<void>>> = {
  reading: ({ bootstrap, log, topic }) => compare('Reading alone', [kafkajsConsumer(bootstrap, topic), ownReader(log, topic)], ROUNDS),

  async sqlite({ bootstrap, log, topic }) {
    const dataDir = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
    const backend = await connect(sqlite, { path: 'views.sqlite' }, dataDir)
    await compare('Kafka → SQLite', [preparedUpserts('small'), preparedUpserts('own'), fold(log, topic, backend)], ROUNDS)
    await backend.close()
    rmSync(dataDir, { recursive: true })
    await printPeak({ bootstrap, topic: topic.name, config: 'kafka-sqlite' })
  },

  async redis({ bootstrap, log, topic }) {
    await using servers = await startRedis({ servers: NAMES.length })
    const ports = servers.servers.map(({ port }) => port)
    const shards = Object.fromEntries(NAMES.map((name, nth) => [name, `redis://127.0.0.1:${ports[nth]}`]))
    const backend = await connect(redis, { shards })
    const limit = redisPipe(ports, id => NAMES.indexOf(backend.owner(id)))
    await compare('Kafka → a ring of 3 Redis', [limit, fold(log, topic, backend)], ROUNDS)
    await backend.close()
    const settings = Object.entries(shards).map(([name, url]) => `backends.ring3.shards.${name}=${url}`)
    await printPeak({ bootstrap, topic: topic.name, config: 'kafka-redis', settings })
  },

  async postgres({ bootstrap, log, topic }) {
    await using server = await startPostgres()
    const backend = await connect(postgres, { url: server.url })
    await compare('Kafka → Postgres', [copy(server.url), fold(log, topic, backend)], ROUNDS)
    await backend.close()
    await printPeak({ bootstrap, topic: topic.name, config: 'kafka-postgres', settings: [`backends.pg.url=${server.url}`] })
  },
}

export async function bench(args: readonly string[]): Promise<void> {
  const unknown = args.find(name => sections[name] === undefined)
  if (unknown !== undefined) throw new Error(`There is no part ${unknown}; there are ${Object.keys(sections).join(', ')}`)
  const kafka = await startKafka({ heapMegabytes: 512 })
  const log = benchLog(kafka.bootstrap)
  try {
    const topic = await fillTopic(log, 'bench-ingest')
    process.stdout.write(`${RECORDS.toLocaleString('en')} records of 240 bytes in ${PARTITIONS} partitions\n`)
    for (const name of args.length === 0 ? Object.keys(sections) : args) await sections[name]?.({ bootstrap: kafka.bootstrap, log, topic })
    process.stdout.write(`Most memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB, with what the limits prepare\n`)
  } finally {
    await log.close()
    await kafka.dispose()
  }
}

/** As the config would, from its section. */
async function connect<Config>(module: BackendModule<Config>, section: object, dataDir = '.'): Promise<ViewBackend> {
  const parsed = await module.config['~standard'].validate(section)
  if (parsed.issues !== undefined) throw new Error(parsed.issues.map(({ message }) => message).join('; '))
  return module.connect(parsed.value, { name: 'bench', dataDir, logger: quiet, shards: module.shards(parsed.value) })
}
