import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import { sharedKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { kafkajsOf, makeTopic, openTopic, toldBy } from '../support/kafka-reading.ts'
import { RequestCount } from '../support/kafka-request-count.ts'

const FETCH = 1
const METADATA = 3
const PARTITIONS = 10
const ROUNDS = 20
/** Of twenty, so that a busy machine may be slow now and then; a long poll takes 500. */
const QUICK_MS = 250
const QUICK_MIN = 15

async function opened(log: KafkaLog) {
  const name = await makeTopic(sharedKafka(), { partitions: PARTITIONS })
  const topic = await openTopic(log, name, PARTITIONS)
  const producer = kafkajsOf(sharedKafka()).producer()
  await producer.connect()
  onTestFinished(() => producer.disconnect())
  const send = (partition: number, value: string) => producer.send({ topic: name, messages: [{ partition, key: 'k', value }] })
  // The first goes through what a producer asks once.
  await send(0, 'first')
  const readers = Array.from({ length: PARTITIONS }, (_, partition) => log.reader(topic, partition, partition === 0 ? 1 : 0))
  return { topic, send, readers }
}

function expectQuick(tookMs: readonly number[], what: string): void {
  const sorted = tookMs.toSorted((a, b) => a - b).map(Math.round)
  console.log(`${what}: p50 ${sorted[ROUNDS / 2]} ms, all ${sorted.join(' ')}`)
  expect(sorted.filter(ms => ms < QUICK_MS).length).toBeGreaterThanOrEqual(QUICK_MIN)
}

describe('ten readers that wait at the ends of ten partitions', () => {
  it('get a record as soon as the broker has it', async () => {
    const { send, readers } = await opened(kafkaLog())
    const waiting = readers.map(reader => reader.next(60_000))
    const tookMs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const partition = (round * 7) % PARTITIONS
      const startMs = performance.now()
      const [stretch] = await Promise.all([waiting[partition], send(partition, String(round))])
      tookMs.push(performance.now() - startMs)
      expect(stretch === undefined ? [] : toldBy(stretch).map(({ value }) => value)).toEqual([String(round)])
      const again = readers[partition]?.next(60_000)
      if (again !== undefined) waiting[partition] = again
    }
    expectQuick(tookMs, 'a record to who waits')
    for (const reader of readers) reader.close()
    await Promise.allSettled(waiting)
  })

  it('do not hold up one that is opened while their request waits', async () => {
    const log = kafkaLog()
    const { topic, send, readers } = await opened(log)
    const waiting = readers.map(reader => reader.next(60_000))
    const tookMs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const startMs = performance.now()
      const reader = log.reader(topic, 0, 0)
      expect((await reader.next(0)).from).toBe(0)
      tookMs.push(performance.now() - startMs)
      reader.close()
    }
    expectQuick(tookMs, 'records to a new reader')
    const appendedMs: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const reader = log.reader(topic, 1, round)
      const startMs = performance.now()
      const [stretch] = await Promise.all([reader.next(60_000), send(1, String(round))])
      appendedMs.push(performance.now() - startMs)
      expect(toldBy(stretch).map(({ value }) => value)).toEqual([String(round)])
      reader.close()
    }
    expectQuick(appendedMs, 'a record to a new reader')
    for (const reader of readers) reader.close()
    await Promise.allSettled(waiting)
  })

  it.each(['with', 'without'])('ask a few times a second, %s somebody who waits for them', async how => {
    const requests = new RequestCount()
    const { readers } = await opened(kafkaLog({ socketFactory: requests.socketFactory }))
    const before = await Promise.all(readers.map(reader => reader.next(0)))
    expect(before.map(({ from, next, endOffset }) => [next - from, endOffset - next])).toEqual(readers.map(() => [0, 0]))
    const waiting = how === 'with' ? readers.map(reader => reader.next(60_000)) : []
    // Beside a long poll that began before all of them were at the end, the others poll short, until it ends.
    await wait(700)
    const [fetches, metadata] = [requests.of(FETCH), requests.of(METADATA)]
    await wait(3_000)
    const fetched = requests.of(FETCH) - fetches
    console.log(`idle, ${how} somebody who waits: ${fetched} fetches in 3 s, ${requests.of(METADATA) - metadata} metadata`)
    expect(fetched).toBeGreaterThan(0)
    expect(fetched).toBeLessThan(18)
    expect(requests.of(METADATA) - metadata).toBeLessThanOrEqual(1)
    for (const reader of readers) reader.close()
    await Promise.allSettled(waiting)
  })
})
