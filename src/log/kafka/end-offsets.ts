import { setTimeout as wait } from 'node:timers/promises'
import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { Topic } from '../../model/log.ts'
import type { Offset } from '../../model/record.ts'
import type { Brokers } from './brokers.ts'
import { describe } from './wire/errors.ts'
import { LATEST, listOffsetsRequest } from './wire/list-offsets.ts'

const REQUEST_MS = 3_000
/** Long enough for a leader to be elected. */
const TRY_MS = 5_000
const RETRY_MS = 100

/**
 * The last stable offset of each partition, each as of a moment after the call.
 * @throws log-unavailable where not every partition's leader tells it within some seconds. @throws the topic's fault
 */
export async function readEndOffsets(brokers: Brokers, topic: Topic): Promise<readonly Offset[]> {
  const ends = new Map<number, Offset>()
  let lacking = 'no leader is known'
  for (const untilMs = performance.now() + TRY_MS; ; await wait(RETRY_MS)) {
    const fault = brokers.faultOf(topic) ?? brokers.away
    if (fault !== undefined) throw fault
    const missing = Array.from({ length: topic.partitions }, (_, partition) => partition).filter(partition => !ends.has(partition))
    const byLeader = Map.groupBy(missing, partition => brokers.leaderOf(topic, partition)?.nodeId)
    const asked = [...byLeader].map(([nodeId, partitions]) => (nodeId === undefined ? undefined : ask(brokers, topic, nodeId, partitions, ends)))
    lacking = (await Promise.all(asked)).find(failure => failure !== undefined) ?? lacking
    if (ends.size === topic.partitions) return Array.from({ length: topic.partitions }, (_, partition) => ends.get(partition) ?? 0)
    if (performance.now() > untilMs) throw new LogfoldError('log-unavailable', `The end offsets of ${topic.name} are not to be had: ${lacking}`)
    await brokers.refresh()
  }
}

/** @returns why not all of them were told */
async function ask(
  brokers: Brokers,
  topic: Topic,
  nodeId: number,
  partitions: readonly number[],
  ends: Map<number, Offset>,
): Promise<string | undefined> {
  const queries = partitions.map(
    partition => ({ partition, leaderEpoch: brokers.leaderOf(topic, partition)?.epoch ?? -1, timestamp: LATEST }) as const,
  )
  try {
    let failure: string | undefined
    for (const { partition, errorCode, offset } of await brokers.request(nodeId, listOffsetsRequest(topic.name, queries), REQUEST_MS)) {
      if (errorCode === 0) ends.set(partition, offset)
      else failure = describe(errorCode)
    }
    return failure
  } catch (error) {
    return messageOf(error)
  }
}
