import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import type { Topic } from '../../src/model/log.ts'
import { hasCode } from '../contract/log/support.ts'
import { type KafkaCluster, kafkaTool, startKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { administer, ConfigResourceTypes, expectSameByAll, kafkajsOf, makeTopic, openTopic, readOurs, toldBy } from '../support/kafka-reading.ts'

let kafka: KafkaCluster
beforeAll(async () => {
  kafka = await startKafka({ properties: { 'log.retention.check.interval.ms': 200, 'log.initial.task.delay.ms': 200 } })
})
afterAll(() => kafka?.dispose())

const NAMES = Array.from({ length: 40 }, (_, nth) => `k${nth}`)

async function write(topic: string, keys: readonly string[], timeMs = Date.now()): Promise<void> {
  const producer = kafkajsOf(kafka.bootstrap).producer()
  await producer.connect()
  await producer.send({ topic, messages: keys.map(key => ({ key, value: `of ${key}`, timestamp: String(timeMs) })) })
  await producer.disconnect()
}

const configure = (topic: string, config: Readonly<Record<string, string>>) =>
  administer(kafka.bootstrap, admin =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: Object.entries(config).map(([name, value]) => ({ name, value })) }],
    }),
  )

/** -1: all. The tool takes a file, and opens no pipe. */
async function cut(topic: string, offset: number): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'logfold-read-'))
  const file = join(folder.path, 'offsets.json')
  await writeFile(file, JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, offset }] }))
  await kafkaTool('kafka-delete-records', ['--bootstrap-server', kafka.bootstrap, '--offset-json-file', file])
}

/** Forty records, in a topic from which records may be deleted since it was opened. */
async function opened(): Promise<{ readonly log: KafkaLog; readonly topic: Topic }> {
  const name = await makeTopic(kafka.bootstrap)
  await write(name, NAMES)
  const log = kafkaLog({ brokers: [kafka.bootstrap] })
  const topic = await openTopic(log, name)
  await configure(name, { 'cleanup.policy': 'compact,delete' })
  return { log, topic }
}

/** The others begin at 30: below the start, each goes to a place of its own choice. */
async function expectReadFrom30(log: KafkaLog, topic: Topic): Promise<void> {
  const { records } = await expectSameByAll({ bootstrap: kafka.bootstrap, log, topic }, [30, 31, 35, 40])
  expect(records.map(({ offset, key }) => [offset, key])).toEqual(NAMES.map((key, offset) => [offset, key]).slice(30))
  const fromZero = await readOurs(log, topic, 0, 0)
  expect(fromZero.records).toEqual(records)
  expect(fromZero.stretches.map(({ from, next, hole }) => [from, next, hole])).toEqual([
    [0, 30, 0],
    [30, 40, undefined],
  ])
}

const outOfRange = hasCode('offset-out-of-range')

describe('records that were cut from the start of a log', () => {
  it('are a hole for who starts at 0; a position among them is out of range, and one behind them as good as ever', async () => {
    const { log, topic } = await opened()
    await cut(topic.name, 30)
    await expectReadFrom30(log, topic)
    for (const from of [1, 29]) await expect(log.reader(topic, 0, from).next(0)).rejects.toSatisfy(outOfRange)
  })

  it('all of them: who starts at 0 is caught up at once, and goes on with what comes', async () => {
    const { log, topic } = await opened()
    const waiting = log.reader(topic, 0, 0)
    expect((await waiting.next(0)).next).toBe(40)
    await cut(topic.name, -1)
    const { stretches, records } = await readOurs(log, topic, 0, 0)
    expect(stretches.map(({ from, next, endOffset, hole }) => [from, next, endOffset, hole])).toEqual([[0, 40, 40, 0]])
    expect(records).toEqual([])
    expect((await readOurs(log, topic, 0, 40)).stretches.map(({ from, next, hole }) => [from, next, hole])).toEqual([[40, 40, undefined]])
    await expect(log.reader(topic, 0, 39).next(0)).rejects.toSatisfy(outOfRange)

    const next = waiting.next(20_000)
    await write(topic.name, ['new'])
    const stretch = await next
    expect([stretch.hole, toldBy(stretch).map(({ offset, key }) => [offset, key])]).toEqual([undefined, [[40, 'new']]])
    await expectSameByAll({ bootstrap: kafka.bootstrap, log, topic }, [40, 41])
  })

  it('by retention, a segment at a time, just so', async () => {
    const name = await makeTopic(kafka.bootstrap, {
      config: { 'segment.ms': 1_000, 'max.compaction.lag.ms': 86_400_000, 'min.compaction.lag.ms': 86_000_000 },
    })
    const nowMs = Date.now()
    for (const [nth, hours] of [5, 4, 3, 0].entries()) await write(name, NAMES.slice(10 * nth, 10 * nth + 10), nowMs - hours * 3_600_000)
    const log = kafkaLog({ brokers: [kafka.bootstrap] })
    const topic = await openTopic(log, name)
    expect((await readOurs(log, topic, 0, 0)).records.length).toBe(40)
    await configure(name, { 'cleanup.policy': 'delete', 'retention.ms': '7200000', 'segment.ms': '1000' })
    await expect.poll(async () => (await readOurs(log, topic, 0, 0)).records.length).toBe(10)
    await expectReadFrom30(log, topic)
    await expect(log.reader(topic, 0, 29).next(0)).rejects.toSatisfy(outOfRange)
  })
})
