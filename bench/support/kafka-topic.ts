import { KafkaLog } from '../../src/log/kafka/log.ts'
import type { Topic } from '../../src/model/log.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import type { NewRecord } from '../../src/model/record.ts'
import { quiet } from '../../test/support/quiet.ts'
import { jobAt, PARTITIONS, RECORDS } from './jobs.ts'

const CHUNK = 5_000

export const benchLog = (bootstrap: string): KafkaLog =>
  new KafkaLog({ brokers: bootstrap.split(','), ssl: false, sasl: undefined, clientId: 'logfold-bench', logger: quiet })

/** A compacted topic with every job in it, once. */
export async function fillTopic(log: KafkaLog, name: string): Promise<Topic> {
  const topic = await log.topic({ name, partitions: PARTITIONS, replication: -1, create: true })
  const writer = log.writer(topic)
  for (let nth = 0; nth < RECORDS; nth += CHUNK) {
    const records = Array.from({ length: CHUNK }, (_, at): NewRecord => {
      const { id, value } = jobAt(nth + at)
      const key = Buffer.from(id)
      return { partition: partitioners.murmur2(key, PARTITIONS), key, value }
    })
    const outcomes = await writer.append(records, 60_000)
    if (!outcomes.every(({ kind }) => kind === 'appended')) throw new Error('The topic could not be filled')
  }
  return topic
}
