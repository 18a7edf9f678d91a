import type { KafkaLog } from '../../src/log/kafka/log.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Topic } from '../../src/model/log.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { ViewPipeline } from '../../src/pipeline/view-pipeline.ts'
import { quiet } from '../../test/support/quiet.ts'
import { PARTITIONS, RECORDS } from './jobs.ts'
import { type Contender, perSecond } from './rounds.ts'

const LOOK_DELAY_MS = 10

let generations = 0

/**
 * The whole way, from the assignment of the partitions until every shard vouches for the end of the log: fetch, decode, fold, apply, checkpoint. Each round into a generation of its
 * own, which is dropped.
 */
export const fold = (log: KafkaLog, topic: Topic, backend: ViewBackend): Contender => ({
  name: 'logfold',
  async run() {
    const dead = await log.topic({ name: `bench-dead-${process.pid}`, partitions: 1, replication: -1, create: true })
    const generation: Generation = {
      view: 'job',
      number: ++generations,
      partitions: PARTITIONS,
      format: 'json',
      ordered: false,
      uid: `bench-${generations}`,
      logId: log.logId,
      topicId: topic.id,
      definitionHash: 'bench',
    }
    const deadLetters = new DeadLetters(log, dead, { topicId: topic.id, generation: generation.number }, quiet)
    const failed = Promise.withResolvers<never>()
    const pipeline = new ViewPipeline({
      log,
      topic,
      generation,
      backend,
      rules: { format: 'json', schema: undefined, partitioner: { partitionOf: partitioners.murmur2, partitions: PARTITIONS } },
      deadLetters,
      group: `bench-${process.pid}-${generations}`,
      metrics: new Metrics('bench'),
      logger: quiet,
      applied: () => undefined,
      mayOpen: async () => true,
      stopped: failed.reject,
      failed: failed.reject,
    })
    const ends = await log.endOffsets(topic)
    const view = backend.reader(generation)
    const until = async (reached: () => Promise<boolean> | boolean): Promise<void> => {
      while (!(await reached())) await new Promise(resolve => setTimeout(resolve, LOOK_DELAY_MS))
    }
    const vouches = async (shard: string): Promise<boolean> => {
      const positions = await view.vouched(shard).catch(() => [])
      return ends.every((end, partition) => (positions[partition] ?? 0) >= end)
    }
    await pipeline.start()
    await until(() => pipeline.status().partitions.length === PARTITIONS)
    const startedMs = performance.now()
    for (const shard of backend.shards) await Promise.race([until(() => vouches(shard)), failed.promise])
    const rate = perSecond(RECORDS, startedMs)
    await pipeline.stop()
    await deadLetters.close()
    for (const shard of backend.shards) await backend.admin(generation).drop(shard)
    return rate
  },
})
