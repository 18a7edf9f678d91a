import { describe, expect, it } from 'vitest'
import { sharedKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { expectSameByAll, kafkajsOf, makeTopic, openTopic, readOn, toldBy } from '../support/kafka-reading.ts'

const LARGE = 5 * 1024 * 1024
/** A stretch ends behind the record that reaches 1 MiB. */
const STRETCH_MAX = LARGE + 1024 * 1024 + 1_000
const PARTITIONS = 4

/** Small ones, and large ones alone and one behind the other. */
const SIZES = [10, 10, LARGE, 10, LARGE, LARGE, 10, 300_000, 300_000, 300_000, 300_000, LARGE, 10]

const recordsOf = (partition: number) =>
  SIZES.map((size, nth) => ({ key: `${partition}-${nth}`, value: String.fromCharCode(97 + nth + partition).repeat(size), partition }))

describe('records larger than a fetch', () => {
  it('are read between small ones, of several partitions at once, in stretches that stay bounded', async () => {
    const bootstrap = sharedKafka()
    const name = await makeTopic(bootstrap, { partitions: PARTITIONS, config: { 'max.message.bytes': 8 * 1024 * 1024 } })
    const producer = kafkajsOf(bootstrap).producer()
    await producer.connect()
    for (const nth of SIZES.keys()) {
      const messages = Array.from({ length: PARTITIONS }, (_, partition) => recordsOf(partition)[nth]).filter(message => message !== undefined)
      for (const message of messages) await producer.send({ topic: name, messages: [message] })
    }
    await producer.disconnect()
    const log = kafkaLog()
    const topic = await openTopic(log, name, PARTITIONS)
    for (const from of [0, 2, 5]) {
      const readings = Array.from({ length: PARTITIONS }, (_, partition) => readOn(log.reader(topic, partition, from), from))
      for (const [partition, { records, stretches }] of (await Promise.all(readings)).entries()) {
        const expected = recordsOf(partition)
          .map(({ key, value }, offset) => ({ offset, key, bytes: value.length, first: value[0] }))
          .slice(from)
        expect(records.map(({ offset, key, value }) => ({ offset, key, bytes: value?.length, first: value?.[0] }))).toEqual(expected)
        for (const { bytes } of stretches) expect(bytes).toBeLessThan(STRETCH_MAX)
        expect(stretches.map(({ hole }) => hole)).toEqual(stretches.map(() => undefined))
      }
    }
    await expectSameByAll({ bootstrap, log, topic, partition: 2 }, [0, 3])
  })

  it('are not passed over for ever where another partition always has something for the answer', async () => {
    const bootstrap = sharedKafka()
    const name = await makeTopic(bootstrap, { partitions: 2, config: { 'max.message.bytes': 8 * 1024 * 1024 } })
    const producer = kafkajsOf(bootstrap).producer()
    await producer.connect()
    await producer.send({ topic: name, messages: [{ partition: 1, key: 'large', value: 'x'.repeat(LARGE) }] })
    const many = Array.from({ length: 60 }, (_, nth) => ({ partition: 0, key: `small-${nth}`, value: 'y'.repeat(600_000) }))
    for (const message of many) await producer.send({ topic: name, messages: [message] })
    await producer.disconnect()
    const log = kafkaLog()
    const topic = await openTopic(log, name, 2)
    const [busy, starved] = [log.reader(topic, 0, 0), log.reader(topic, 1, 0)]
    let position = 0
    const large = starved.next(60_000).then(stretch => ({ stretch, at: position }))
    while (position < many.length) position = (await busy.next(0)).next
    const { stretch, at } = await large
    expect(toldBy(stretch).map(({ key, value }) => [key, value?.length])).toEqual([['large', LARGE]])
    expect(at).toBeLessThan(many.length / 2)
  })
})
