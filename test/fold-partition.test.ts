import { describe, expect, it } from 'vitest'
import { partitioners } from '../src/model/partitioner.ts'
import type { Stretch } from '../src/model/record.ts'
import { type FoldRules, fold } from '../src/pipeline/fold.ts'
import { ScriptedLog } from './support/scripted-log.ts'

const PARTITIONS = 10
const rules = (partitioner: 'murmur2' | 'crc32' | undefined): FoldRules => ({
  format: 'json',
  schema: undefined,
  partitioner: partitioner === undefined ? undefined : { partitionOf: partitioners[partitioner], partitions: PARTITIONS },
})

/** A stretch of one record, in the partition that murmur2 gives `job-1`. */
async function stretchOf(key: string | Uint8Array | null): Promise<Stretch> {
  const log = new ScriptedLog()
  const topic = await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: true })
  const partition = partitioners.murmur2(Buffer.from('job-1'), PARTITIONS)
  topic.put(partition, key, '1')
  return log.reader(topic, partition, 0).next(0)
}

describe("a record's partition", () => {
  it('is the one that the partitioner gives, or the fold stops and says what the writers should use', async () => {
    const stretch = await stretchOf('job-1')
    expect(fold(stretch, 1, rules('murmur2')).ops.map(op => op.id)).toEqual(['job-1'])
    expect(() => fold(stretch, 1, rules('crc32'))).toThrow(
      expect.objectContaining({
        code: 'wrong-partition',
        message: `The record at ${stretch.partition}:0 belongs to partition ${partitioners.crc32(Buffer.from('job-1'), PARTITIONS)} by the view's partitioner, so whoever wrote it uses another one`,
      }),
    )
  })

  it('may be any where no partitioner is known', async () => {
    expect(fold(await stretchOf('job-1'), 1, rules(undefined)).ops.map(op => op.id)).toEqual(['job-1'])
  })

  it('does not matter for a key that is no id: that is a dead letter anyway', async () => {
    for (const key of [null, '', Buffer.of(0xff)]) expect(fold(await stretchOf(key), 1, rules('crc32')).faulty.length).toBe(1)
  })
})
