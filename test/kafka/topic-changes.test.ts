import { describe, expect, it } from 'vitest'
import type { KafkaLog, KafkaTuning } from '../../src/log/kafka/log.ts'
import type { Topic } from '../../src/model/log.ts'
import { hasCode } from '../contract/log/support.ts'
import { sharedKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { administer, kafkajsOf, makeTopic, openTopic, readOurs, toldBy } from '../support/kafka-reading.ts'
import { quiet } from '../support/quiet.ts'

/** For `missing` as long as it is by default: between its two lives a topic is missing, too. */
const REMADE = { remadeAfterMs: 300 }
const MISSING = { missingAfterMs: 300 }

const deleteTopic = (name: string) => administer(sharedKafka(), admin => admin.deleteTopics({ topics: [name] }))

/** Its name is free once no metadata tell of it. */
async function remake(name: string, partitions: number): Promise<void> {
  await deleteTopic(name)
  await expect.poll(() => administer(sharedKafka(), admin => admin.listTopics())).not.toContain(name)
  await makeTopic(sharedKafka(), { name, partitions })
}

async function fill(name: string, value: string): Promise<void> {
  const producer = kafkajsOf(sharedKafka()).producer()
  await producer.connect()
  await producer.send({ topic: name, messages: Array.from({ length: 10 }, (_, nth) => ({ key: `k${nth}`, value })) })
  await producer.disconnect()
}

const mismatch = hasCode('topic-mismatch')
const missing = hasCode('topic-missing')

interface Opened {
  readonly log: KafkaLog
  readonly topic: Topic
  /** What an operator was told. */
  readonly said: readonly unknown[]
}

async function opened(tuning: Partial<KafkaTuning>, partitions = 1): Promise<Opened> {
  const name = await makeTopic(sharedKafka(), { partitions })
  await fill(name, 'old')
  const said: unknown[] = []
  const say = (...line: unknown[]) => said.push(line)
  const log = kafkaLog({ tuning, logger: { ...quiet, info: say, warn: say, error: say } })
  return { log, topic: await openTopic(log, name, partitions), said }
}

describe('a topic that was deleted and made again under its name', () => {
  it('is topic-mismatch to who waits at its end, to who has read a part, and to who begins: no record of the new one', async () => {
    const { log, topic } = await opened(REMADE)
    const [waiting, behind] = [log.reader(topic, 0, 0), log.reader(topic, 0, 5)]
    expect((await waiting.next(0)).next).toBe(10)
    const next = waiting.next(30_000)
    next.catch(() => undefined)
    await remake(topic.name, 1)
    // More than there were, so that every old position lies within the new log.
    await fill(topic.name, 'new')
    await fill(topic.name, 'new')
    await expect(next).rejects.toSatisfy(mismatch)
    await expect(waiting.next(0)).rejects.toSatisfy(mismatch)
    // What was fetched before is still handed out.
    expect(toldBy(await behind.next(0)).map(({ value }) => value)).toEqual(Array(5).fill('old'))
    await expect(behind.next(0)).rejects.toSatisfy(mismatch)
    for (const position of [0, 5, 10]) await expect(log.reader(topic, 0, position).next(0)).rejects.toSatisfy(mismatch)
    await expect(log.endOffsets(topic)).rejects.toSatisfy(mismatch)

    const again = await log.topic({ name: topic.name, partitions: 1, replication: -1, create: false })
    expect(again.id).not.toBe(topic.id)
    expect((await readOurs(log, again, 0, 0)).records.map(({ value }) => value)).toEqual(Array(20).fill('new'))
    await expect(log.reader(topic, 0, 0).next(0)).rejects.toSatisfy(mismatch)
  })

  it('with more partitions is topic-mismatch too', async () => {
    const { log, topic } = await opened(REMADE)
    const next = log.reader(topic, 0, 10).next(30_000)
    next.catch(() => undefined)
    await remake(topic.name, 3)
    await expect(next).rejects.toSatisfy(mismatch)
  })
})

describe('a topic that was deleted', () => {
  it('is topic-missing to who waits and to who begins, and other topics are read on', async () => {
    const { log, topic, said } = await opened(MISSING)
    const other = await log.topic({ name: await makeTopic(sharedKafka()), partitions: 1, replication: -1, create: false })
    const otherReader = log.reader(other, 0, 0)
    const next = log.reader(topic, 0, 10).next(30_000)
    next.catch(() => undefined)
    await deleteTopic(topic.name)
    await expect(next).rejects.toSatisfy(missing)
    await expect(log.reader(topic, 0, 0).next(0)).rejects.toSatisfy(missing)
    await expect(log.endOffsets(topic)).rejects.toSatisfy(missing)
    await fill(other.name, 'v')
    expect(toldBy(await otherReader.next(5_000)).map(({ value }) => value)).toEqual(Array(10).fill('v'))
    expect(said).toEqual([])
  })
})

describe('a topic that got more partitions', () => {
  it('is topic-mismatch, within the seconds after which the metadata are read anyway', async () => {
    const { log, topic } = await opened(REMADE)
    const reader = log.reader(topic, 0, 10)
    const next = reader.next(30_000)
    next.catch(() => undefined)
    await administer(sharedKafka(), admin => admin.createPartitions({ topicPartitions: [{ topic: topic.name, count: 2 }] }))
    await expect(next).rejects.toSatisfy(mismatch)
    await expect(log.reader(topic, 0, 0).next(0)).rejects.toSatisfy(mismatch)
    await expect(log.endOffsets(topic)).rejects.toSatisfy(mismatch)
  })
})
