import { Kafka, logLevel } from 'kafkajs'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import type { Topic } from '../../src/model/log.ts'
import { PARTITIONS, RECORDS } from './jobs.ts'
import { type Contender, perSecond } from './rounds.ts'

export const kafkajsConsumer = (bootstrap: string, { name: topic }: Topic): Contender => ({
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

export const ownReader = (log: KafkaLog, topic: Topic): Contender => ({
  name: "logfold's reader, CRC checked, each record walked",
  async run() {
    const startedMs = performance.now()
    const counts = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => readAll(log, topic, partition)))
    const read = counts.reduce((sum, count) => sum + count, 0)
    if (read !== RECORDS) throw new Error(`${read} records were read`)
    return perSecond(read, startedMs)
  },
})

async function readAll(log: KafkaLog, topic: Topic, partition: number): Promise<number> {
  const reader = log.reader(topic, partition, 0)
  for (let read = 0; ; ) {
    const stretch = await reader.next(1_000)
    const cursor = stretch.records()
    while (cursor.next()) read++
    if (stretch.next < stretch.endOffset) continue
    reader.close()
    return read
  }
}
