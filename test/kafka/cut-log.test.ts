import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Stretch } from '../../src/model/record.ts'
import { hasCode, readToEnd, recordsOf } from '../contract/log/support.ts'
import { type Broker, type KafkaCluster, kafkaTool, startKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { administer, kafkajsOf, makeTopic, openTopic, readOurs, toldBy } from '../support/kafka-reading.ts'

let kafka: KafkaCluster
beforeAll(async () => {
  kafka = await startKafka({ brokers: 2, properties: { 'min.insync.replicas': 1 } })
})
afterAll(() => kafka?.dispose())

const broker = (id: number): Broker => {
  const found = kafka.brokers.find(each => each.id === id)
  if (found === undefined) throw new Error(`no broker ${id}`)
  return found
}

async function write(topic: string, count: number, value: string): Promise<void> {
  const producer = kafkajsOf(kafka.bootstrap).producer()
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: count }, (_, nth) => ({ key: `k${nth}`, value })) })
  await producer.disconnect()
}

const partitionOf = (topic: string) =>
  administer(kafka.bootstrap, async admin => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const [partition] = topics[0]?.partitions ?? []
    return { leader: partition?.leader, isr: partition?.isr.toSorted() }
  })

const outOfRange = hasCode('offset-out-of-range')
const outOfRangeAfterMs = 2_000
const tenOf = (value: string, from: number) => Array.from({ length: 10 }, (_, nth) => [from + nth, value])
const plain = (records: readonly { offset: number; value: string | null }[]) => records.map(({ offset, value }) => [offset, value])

describe('a log that was cut by an unclean election, and has grown again', () => {
  it('is out of range for who has read beyond the cut, running or new; who stands before it reads what came instead', async () => {
    const config = { 'unclean.leader.election.enable': true, 'min.insync.replicas': 1 }
    const name = await makeTopic(kafka.bootstrap, { assignment: [[1, 2]], config })
    const log = kafkaLog({ brokers: kafka.bootstrap.split(','), tuning: { outOfRangeAfterMs: 60_000 } })
    const topic = await openTopic(log, name)
    await write(name, 10, 'both')
    await expect.poll(() => partitionOf(name)).toEqual({ leader: 1, isr: [1, 2] })
    const [running, early] = [log.reader(topic, 0, 0), log.reader(topic, 0, 0)]
    const shared = await early.next(0)
    expect(plain(toldBy(shared))).toEqual(tenOf('both', 0))

    await broker(2).kill()
    await expect.poll(() => partitionOf(name)).toEqual({ leader: 1, isr: [1] })
    await write(name, 10, 'lost')
    // In one stretch or in two: the first ten may have been handed out before there were more.
    const stretches: Stretch[] = []
    while (stretches.at(-1)?.next !== 20) stretches.push(await running.next(5_000))
    expect(plain(stretches.flatMap(toldBy))).toEqual([...tenOf('both', 0), ...tenOf('lost', 10)])
    const leaderEpoch = stretches.at(-1)?.leaderEpoch ?? -1
    expect(leaderEpoch).toBeGreaterThanOrEqual(0)
    const next = running.next(60_000)
    next.catch(() => undefined)

    await broker(1).kill()
    await broker(2).start()
    await kafkaTool('kafka-leader-election', [
      '--bootstrap-server',
      broker(2).address,
      '--election-type',
      'unclean',
      '--topic',
      name,
      '--partition',
      '0',
    ])
    await expect.poll(() => partitionOf(name)).toEqual({ leader: 2, isr: [2] })
    await expect(next).rejects.toSatisfy(outOfRange)
    await expect(next).rejects.toThrow(`The log of ${name} 0 was cut at 10, below 20`)
    await write(name, 30, 'instead')

    for (const position of [20, 15, 11]) {
      await expect(log.reader(topic, 0, position, leaderEpoch).next(0)).rejects.toThrow(`was cut at 10, below ${position}`)
    }
    const before = log.reader(topic, 0, 10, shared.leaderEpoch)
    expect(plain((await readToEnd(before, 10)).flatMap(recordsOf))).toEqual([
      ...tenOf('instead', 10),
      ...tenOf('instead', 20),
      ...tenOf('instead', 30),
    ])
    // Who doesn't know the epoch can't notice.
    expect((await readOurs(log, topic, 0, 20)).records.length).toBe(20)
    await broker(1).start()
  })
})

describe('a position beyond the end', () => {
  it('is out of range only when the leader has stood for a while; records that come before are read', async () => {
    const name = await makeTopic(kafka.bootstrap, { assignment: [[2, 1]] })
    await write(name, 10, 'v')
    const log = kafkaLog({ brokers: kafka.bootstrap.split(','), tuning: { outOfRangeAfterMs } })
    const startMs = performance.now()
    const topic = await openTopic(log, name)
    const [beyond, soonRight] = [log.reader(topic, 0, 1_000).next(0), log.reader(topic, 0, 12).next(20_000)]
    beyond.catch(() => undefined)
    await write(name, 5, 'later')
    expect(plain(toldBy(await soonRight))).toEqual([12, 13, 14].map(offset => [offset, 'later']))
    await expect(beyond).rejects.toSatisfy(outOfRange)
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(outOfRangeAfterMs)
    // By now it stands.
    await expect(log.reader(topic, 0, 16).next(0)).rejects.toThrow('cannot be read from 16: the log ends at 15')
    const atEnd = await log.reader(topic, 0, 15).next(0)
    expect([atEnd.from, atEnd.next, atEnd.endOffset]).toEqual([15, 15, 15])
  })

  it('so is one behind a record of a leader that the log has never had', async () => {
    const name = await makeTopic(kafka.bootstrap, { assignment: [[2, 1]] })
    await write(name, 10, 'v')
    const log = kafkaLog({ brokers: kafka.bootstrap.split(','), tuning: { outOfRangeAfterMs } })
    const topic = await openTopic(log, name)
    await expect(log.reader(topic, 0, 5, 1_000).next(0)).rejects.toThrow(`knows no leader of epoch 1000`)
    expect((await log.reader(topic, 0, 5, 0).next(0)).next).toBe(10)
  })
})
