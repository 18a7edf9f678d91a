import { ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka'
import { describe, expect, it } from 'vitest'
import { kafkaTool, kcat, sharedKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { CompressionTypes, expectSameByAll, kafkajsOf, makeTopic, openTopic } from '../support/kafka-reading.ts'

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const
const COUNT = 300

/** Repetitive, as entries are, with something of its own each. */
const entryOf = (writer: string, nth: number): string =>
  JSON.stringify({ writer, nth, title: 'Baker', cities: Array.from({ length: 20 }, (_, city) => `Ghent-${(nth * city) % 37}`) })

const written = (writer: string) => Array.from({ length: COUNT }, (_, nth) => ({ key: `${writer}-${nth}`, value: entryOf(writer, nth) }))
const linesOf = (records: readonly { key: string; value: string }[]): string => records.map(({ key, value }) => `${key}\t${value}\n`).join('')

type Records = readonly { readonly key: string; readonly value: string }[]
type Write = (bootstrap: string, topic: string, records: Records) => Promise<unknown>

const java =
  (codec: string): Write =>
  (bootstrap, topic, records) =>
    kafkaTool(
      'kafka-console-producer',
      [
        '--bootstrap-server',
        bootstrap,
        '--topic',
        topic,
        '--reader-property',
        'parse.key=true',
        '--compression-codec',
        codec,
        '--command-property',
        'linger.ms=50',
      ],
      linesOf(records),
    )

const librdkafka =
  (codec: string): Write =>
  (bootstrap, topic, records) =>
    kcat(['-P', '-b', bootstrap, '-t', topic, '-K', '\t', '-z', codec, '-X', 'linger.ms=50'], linesOf(records))

const platformatic =
  (codec: (typeof CODECS)[number]): Write =>
  async (bootstrap, topic, records) => {
    const producer = new Producer({
      clientId: 'read',
      bootstrapBrokers: bootstrap.split(','),
      compression: codec,
      serializers: stringSerializers,
    })
    await producer.send({ messages: records.map(({ key, value }) => ({ topic, key, value, partition: 0 })), acks: ProduceAcks.ALL })
    await producer.close()
  }

const kafkajsGzip: Write = async (bootstrap, topic, records) => {
  const producer = kafkajsOf(bootstrap).producer()
  await producer.connect()
  await producer.send({ topic, messages: records.map(({ key, value }) => ({ key, value })), compression: CompressionTypes.GZIP })
  await producer.disconnect()
}

const WRITERS: readonly (readonly [name: string, write: Write])[] = [
  ...CODECS.flatMap(
    codec =>
      [
        [`java ${codec}`, java(codec)],
        [`kcat ${codec}`, librdkafka(codec)],
        [`platformatic ${codec}`, platformatic(codec)],
      ] as const,
  ),
  ['kafkajs gzip', kafkajsGzip],
]

describe('records that were compressed', () => {
  it('are the same to every client, by whichever codec and client they were written', async () => {
    const bootstrap = sharedKafka()
    const name = await makeTopic(bootstrap)
    for (const [writer, write] of WRITERS) await write(bootstrap, name, written(writer))
    const log = kafkaLog()
    const topic = await openTopic(log, name)
    const count = WRITERS.length * COUNT
    const { records, stretches } = await expectSameByAll({ bootstrap, log, topic }, [0, 1, 150, 299, 300, 1_777, count - 1, count])
    const expected = WRITERS.flatMap(([writer]) => written(writer)).map(({ key, value }, offset) => ({ offset, key, value }))
    expect(records.map(({ timestampMs: _, ...record }) => record)).toEqual(expected)
    expect(stretches.map(({ hole }) => hole)).toEqual(stretches.map(() => undefined))
  })
})
