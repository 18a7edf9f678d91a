import { readdirSync, readlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KafkaCluster, kafkaTool, startKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { expectSameByAll, kafkajsOf, makeTopic, missingIn, openTopic, readOn, readOurs, toldBy } from '../support/kafka-reading.ts'

/**
 * The cleaner never touches a partition's last segment, and begins a new one when a record's time lies `segment.ms` behind the segment's first. So records are
 * written with times of their own, and nobody waits. What was cleaned is seen by reading.
 */
const CLEANED = {
  'segment.bytes': 1_048_576,
  'segment.ms': 300,
  'min.cleanable.dirty.ratio': 0.01,
  'max.compaction.lag.ms': 500,
  'delete.retention.ms': 0,
}

interface Message {
  readonly key: string
  readonly value: string | null
}

const many = (count: number, prefix: string, value: string | null): readonly Message[] =>
  Array.from({ length: count }, (_, nth) => ({ key: `${prefix}${nth}`, value: value === null ? null : `${value} ${nth}` }))

const large = 'x'.repeat(12_000)

let kafka: KafkaCluster
beforeAll(async () => {
  kafka = await startKafka()
})
afterAll(() => kafka?.dispose())

/** Writes to one topic; each write begins a segment. */
class Segments {
  readonly #topic: string
  #timeMs = Date.now() - 600_000

  constructor(topic: string) {
    this.#topic = topic
  }

  /** By a new producer: the last batch of an idempotent one stays when it has no record any more. */
  async write(messages: readonly Message[], idempotent = true): Promise<void> {
    const producer = kafkajsOf(kafka.bootstrap).producer({ idempotent })
    await producer.connect()
    await producer.send({ topic: this.#topic, messages: this.timed(messages) })
    await producer.disconnect()
  }

  timed(messages: readonly Message[]) {
    this.#timeMs += 1_000
    return messages.map(message => ({ ...message, timestamp: String(this.#timeMs) }))
  }
}

describe('a compacted topic', () => {
  it('is read to its end past batches that compaction emptied, where kafkajs stalls, and its holes are told', async () => {
    const { bootstrap } = kafka
    const name = await makeTopic(bootstrap, { config: CLEANED })
    const segments = new Segments(name)
    await segments.write(many(50, 'a', large))
    await segments.write(many(50, 'b', 'old'))
    // Large enough not to be merged with the segment before, which then is one empty batch.
    await segments.write([...many(50, 'b', 'new'), ...many(50, 'c', large)])
    for (const key of ['d', 'e', 'f']) await segments.write(many(5, key, 'small'))
    const log = kafkaLog({ brokers: [bootstrap], tuning: { deleteRetentionMinMs: 0 } })
    const topic = await openTopic(log, name)
    await expect.poll(async () => (await readOurs(log, topic, 0, 0)).records.length).toBe(165)

    // Tried by hand: kafkajs's consumer gets 50 records here, and then fetches offset 50 for ever.
    const all = await expectSameByAll({ bootstrap, log, topic }, [0, 1, 49, 50, 75, 99, 100, 101, 149, 199, 214, 215])
    expect(all.records.map(({ offset }) => offset)).toEqual(
      Array.from({ length: 215 }, (_, offset) => offset).filter(offset => offset < 50 || offset >= 100),
    )
    for (const from of [0, 49, 50, 75, 99, 100, 214, 215]) {
      for (const stretch of (await readOurs(log, topic, 0, from)).stretches)
        expect([from, stretch.hole]).toEqual([from, missingIn(stretch, all.records)])
    }
  })

  it('has holes in the middle of batches, and each stretch tells its first', async () => {
    const { bootstrap } = kafka
    const name = await makeTopic(bootstrap, { config: CLEANED })
    const segments = new Segments(name)
    // Larger than a stretch, so that there are several.
    for (let round = 1; round <= 4; round++) await segments.write(many(60, 'k', `${round}${large}`).filter((_, nth) => nth % round === 0))
    await segments.write(many(1, 'end', ''))
    const log = kafkaLog({ brokers: [bootstrap], tuning: { deleteRetentionMinMs: 0 } })
    const topic = await openTopic(log, name)
    await expect.poll(async () => (await readOurs(log, topic, 0, 0)).records.length).toBe(61)
    const all = await expectSameByAll({ bootstrap, log, topic }, [0, 1, 2, 30, 59, 60, 61, 89, 90, 91, 110, 125, 126])
    expect(all.stretches.length).toBeGreaterThan(1)
    for (let from = 0; from <= 126; from += 3) {
      for (const stretch of (await readOurs(log, topic, 0, from)).stretches) {
        expect([from, stretch.from, stretch.hole]).toEqual([from, stretch.from, missingIn(stretch, all.records)])
      }
    }
  })

  it('has tombstones until they are removed, and the offsets they had are a hole', async () => {
    const { bootstrap } = kafka
    const name = await makeTopic(bootstrap, { config: CLEANED })
    const segments = new Segments(name)
    await segments.write(many(10, 'k', 'v'), false)
    await segments.write(many(10, 'k', null), false)
    const log = kafkaLog({ brokers: [bootstrap], tuning: { deleteRetentionMinMs: 0 } })
    const topic = await openTopic(log, name)
    const before = await expectSameByAll({ bootstrap, log, topic }, [0, 5, 12])
    expect(before.records.slice(-10).map(({ offset, value }) => ({ offset, value }))).toEqual(
      Array.from({ length: 10 }, (_, nth) => ({ offset: 10 + nth, value: null })),
    )
    // One cleaning notes when each may go, a later one lets it go; each needs something new to clean.
    let fillers = 0
    const tombstonesLeft = async (): Promise<number> => {
      await segments.write(many(1, `filler-${fillers++}-`, 'v'), false)
      return (await readOurs(log, topic, 0, 0)).records.filter(({ value }) => value === null).length
    }
    await expect.poll(tombstonesLeft, { interval: 300 }).toBe(0)
    const after = await expectSameByAll({ bootstrap, log, topic }, [0, 5, 12, 19, 20])
    expect(after.stretches.map(({ hole }) => hole)).toEqual([0, ...after.stretches.slice(1).map(() => undefined)])
  })
})

describe('a partition whose end is only holes', () => {
  it('is caught up, where nothing is left below an open transaction; and goes on when that is ended', async () => {
    const { bootstrap } = kafka
    const [broker] = kafka.brokers
    const name = await makeTopic(bootstrap, { config: CLEANED })
    const segments = new Segments(name)
    await segments.write(many(10, 'k', null), false)
    const producer = kafkajsOf(bootstrap).producer({ transactionalId: name, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const transaction = await producer.transaction()
    await transaction.send({ topic: name, messages: segments.timed(many(1, 'open', 'v')) })
    // 4.3.1 keeps an empty batch in the place of the last it cleaned. Where an older cleaner kept none, the segment is empty.
    const folder = join(readlinkSync(`/proc/${broker?.pid}/cwd`), 'data', `${name}-0`)
    await broker?.stop()
    const first = readdirSync(folder).filter(file => /^0{20}[.](log|.*index)$/.test(file))
    expect(first.toSorted()).toEqual(['index', 'log', 'timeindex'].map(kind => `${'0'.repeat(20)}.${kind}`))
    for (const file of first) truncateSync(join(folder, file))
    await broker?.start()

    const log = kafkaLog({ brokers: [bootstrap], tuning: { deleteRetentionMinMs: 0 } })
    const topic = await openTopic(log, name)
    expect(await log.endOffsets(topic)).toEqual([10])
    for (const from of [0, 3, 9]) {
      const { stretches } = await readOurs(log, topic, 0, from)
      expect(stretches.map(stretch => [stretch.from, stretch.next, stretch.endOffset, stretch.hole])).toEqual([[from, 10, 10, from]])
    }
    const reader = log.reader(topic, 0, 0)
    expect((await reader.next(0)).next).toBe(10)
    const next = readOn(reader, 10, 20_000)
    // By the leader itself, as kafkajs gives up while its coordinator loads.
    const open = ['--topic', name, '--partition', '0', '--start-offset', '10']
    await kafkaTool('kafka-transactions', ['--bootstrap-server', bootstrap, 'abort', ...open])
    const ended = await next
    expect([ended.stretches.at(-1)?.next, ended.records]).toEqual([12, []])
    await producer.disconnect()
    await segments.write(many(1, 'last', 'v'), false)
    expect(toldBy(await reader.next(20_000))).toMatchObject([{ offset: 12, key: 'last0', value: 'v 0' }])
    await expectSameByAll({ bootstrap, log, topic }, [0, 5, 10, 11, 12])
  })

  it('is caught up, where all that is left is the ends of transactions', async () => {
    const { bootstrap } = kafka
    const name = await makeTopic(bootstrap, { config: CLEANED })
    const segments = new Segments(name)
    await segments.write(many(10, 'k', 'v'), false)
    await segments.write(many(10, 'k', null), false)
    const producer = kafkajsOf(bootstrap).producer({ transactionalId: name, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    const log = kafkaLog({ brokers: [bootstrap], tuning: { deleteRetentionMinMs: 0 } })
    const topic = await openTopic(log, name)
    // An aborted record is something to clean, and leaves a marker.
    let aborted = 0
    const left = async () => {
      const transaction = await producer.transaction()
      await transaction.send({ topic: name, messages: segments.timed(many(1, 'aborted', 'v')) })
      await transaction.abort()
      aborted++
      return (await readOurs(log, topic, 0, 0)).records
    }
    await expect.poll(left, { interval: 300 }).toEqual([])
    await producer.disconnect()
    const end = 20 + 2 * aborted
    await expect.poll(() => log.endOffsets(topic)).toEqual([end])
    for (const from of [0, 10, 19, 20, 21, end - 1, end]) {
      const last = (await readOurs(log, topic, 0, from)).stretches.at(-1)
      expect([from, last?.next, last?.endOffset]).toEqual([from, end, end])
    }
  })
})
