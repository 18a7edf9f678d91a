import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Kafka, logLevel } from 'kafkajs'
import sqlite from '../backends/sqlite/index.ts'
import type { KafkaLog } from '../src/log/kafka/log.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import type { Topic } from '../src/model/log.ts'
import { partitioners } from '../src/model/partitioner.ts'
import type { Generation, ViewBackend } from '../src/model/view-backend.ts'
import { DeadLetters } from '../src/pipeline/dead-letters.ts'
import { ViewPipeline } from '../src/pipeline/view-pipeline.ts'
import { startKafka } from '../test/services/kafka.ts'
import { jobAt, PARTITIONS, RECORDS } from './support/jobs.ts'
import { benchLog, fillTopic } from './support/kafka-topic.ts'
import { quiet } from './support/quiet.ts'
import { type Contender, compare, perSecond } from './support/rounds.ts'

const ROUNDS = 3

/**
 * How fast a view is folded: reading alone, beside kafkajs's own consumer; and from Kafka into each store, beside what that store takes at most when the same entries are prepared
 * beforehand. Starts a broker of its own, unless BENCH_KAFKA names one.
 */
export async function bench(): Promise<void> {
  const own = process.env.BENCH_KAFKA === undefined ? await startKafka({ heapMegabytes: 512 }) : undefined
  const bootstrap = process.env.BENCH_KAFKA ?? own?.bootstrap ?? ''
  const log = benchLog(bootstrap)
  try {
    const topic = await fillTopic(log, `bench-ingest-${process.pid}`)
    process.stdout.write(`${RECORDS.toLocaleString('en')} records of 240 bytes in ${PARTITIONS} partitions\n`)
    await compare('Reading alone', [consumer(bootstrap, topic), reader(log, topic)], ROUNDS)
    await compare('Kafka → SQLite', [preparedUpserts(), ingest('logfold, Kafka → SQLite', log, topic, openSqlite)], ROUNDS)
  } finally {
    await log.close()
    await own?.dispose()
  }
}

const consumer = (bootstrap: string, { name: topic }: Topic): Contender => ({
  name: "kafkajs's consumer, eachBatch",
  async run() {
    const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
    const group = kafka.consumer({ groupId: `bench-${performance.now()}` })
    await group.connect()
    await group.subscribe({ topic, fromBeginning: true })
    const done = Promise.withResolvers<void>()
    let read = 0
    let startedMs = 0
    // From the assignment on, so that joining the group doesn't count.
    group.on(group.events.GROUP_JOIN, () => {
      startedMs = performance.now()
    })
    await group.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        read += batch.messages.length
        if (read >= RECORDS) done.resolve()
      },
    })
    await done.promise
    const rate = perSecond(read, startedMs)
    await group.disconnect()
    return rate
  },
})

const reader = (log: KafkaLog, topic: Topic): Contender => ({
  name: "logfold's reader, CRC checked, each record walked",
  async run() {
    const startedMs = performance.now()
    let read = 0
    await Promise.all(
      Array.from({ length: PARTITIONS }, async (_, partition) => {
        const its = log.reader(topic, partition, 0)
        for (;;) {
          const stretch = await its.next(1_000)
          const cursor = stretch.records()
          while (cursor.next()) read++
          if (stretch.next === stretch.endOffset) break
        }
        its.close()
      }),
    )
    if (read !== RECORDS) throw new Error(`${read} records were read`)
    return perSecond(read, startedMs)
  },
})

interface Opened extends AsyncDisposable {
  readonly backend: ViewBackend
}

async function openSqlite(): Promise<Opened> {
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
  const backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'bench', dataDir, logger: quiet })
  return {
    backend,
    async [Symbol.asyncDispose]() {
      await backend.close()
      rmSync(dataDir, { recursive: true })
    },
  }
}

/** The whole way: the group, fetch, decode, fold, apply, checkpoint; until every shard vouches for the end of the log. */
const ingest = (name: string, log: KafkaLog, topic: Topic, open: () => Promise<Opened>): Contender => ({
  name,
  async run() {
    await using opened = await open()
    const { backend } = opened
    const dead = await log.topic({ name: `bench-dead-${process.pid}`, partitions: 1, replication: -1, create: true })
    const deadLetters = new DeadLetters(log, dead, quiet)
    const generation: Generation = {
      view: 'job',
      number: 1,
      partitions: PARTITIONS,
      format: 'json',
      ordered: false,
      uid: 'bench',
      logId: log.logId,
      topicId: topic.id,
      definitionHash: 'bench',
    }
    const failed = Promise.withResolvers<never>()
    const pipeline = new ViewPipeline({
      log,
      topic,
      generation,
      backend,
      rules: { format: 'json', schema: undefined, partitioner: key => partitioners.murmur2(key, PARTITIONS) },
      deadLetters,
      group: `bench-${process.pid}-${performance.now()}`,
      metrics: new Metrics('bench'),
      logger: quiet,
      applied: () => undefined,
      stopped: failed.reject,
      failed: failed.reject,
    })
    const startedMs = performance.now()
    await pipeline.start()
    const view = backend.reader(generation)
    const filled = async (): Promise<void> => {
      while (!(await view.filled().catch(() => false))) await new Promise(resolve => setTimeout(resolve, 10))
    }
    await Promise.race([filled(), failed.promise])
    const rate = perSecond(RECORDS, startedMs)
    await pipeline.stop()
    await deadLetters.close()
    return rate
  },
})

/** The same entries into a table of the same kind, by one prepared statement in transactions of a thousand: what SQLite takes from a caller that does nothing else. */
const preparedUpserts = (): Contender => ({
  name: 'limit: prepared upserts of the same keys',
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
    const jobs = Array.from({ length: RECORDS }, (_, nth) => jobAt(nth))
    const db = new DatabaseSync(join(folder, 'limit.sqlite'))
    try {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -262144')
      db.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT, log_partition INT, log_offset INT, log_time INT)')
      const upsert = db.prepare('INSERT INTO entries VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
      const startedMs = performance.now()
      for (let at = 0; at < jobs.length; at += 1_000) {
        db.exec('BEGIN')
        for (const { id, value } of jobs.slice(at, at + 1_000)) upsert.run(id, value.toString(), 0, at, at)
        db.exec('COMMIT')
      }
      return perSecond(RECORDS, startedMs)
    } finally {
      db.close()
      rmSync(folder, { recursive: true })
    }
  },
})
