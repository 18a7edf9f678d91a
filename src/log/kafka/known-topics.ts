import { LogfoldError } from '../../model/errors.ts'
import type { Topic } from '../../model/log.ts'
import type { Leader } from './brokers.ts'
import { errorCodes } from './wire/errors.ts'
import type { TopicMetadata } from './wire/metadata.ts'

export interface TopicTuning {
  /** A topic that no broker knows for so long is gone. Milliseconds. */
  readonly missingAfterMs: number
  /** A topic with another id is believed after so long: a broker that lags behind may still tell of an earlier one. Milliseconds. */
  readonly remadeAfterMs: number
}

const TUNING: TopicTuning = { missingAfterMs: 30_000, remadeAfterMs: 5_000 }

/** `nodeId` -1: it has no leader now. */
interface Led extends Leader {
  readonly sinceMs: number
}

/** A topic in trouble, and since when. */
interface Trouble {
  readonly kind: 'missing' | 'remade' | 'partitions'
  readonly sinceMs: number
  readonly found: string
}

interface Known {
  readonly topic: Topic
  readonly leaders: Map<number, Led>
  trouble: Trouble | undefined
}

/** What the metadata say of the topics that are used: who leads, and whether they are still the same. */
export class KnownTopics {
  readonly #tuning: TopicTuning
  readonly #known = new Map<string, Known>()

  constructor(tuning: Partial<TopicTuning>) {
    this.#tuning = { ...TUNING, ...tuning }
  }

  watch(topic: Topic): void {
    if (!this.#known.has(topic.id)) this.#known.set(topic.id, { topic, leaders: new Map(), trouble: undefined })
  }

  names(): readonly string[] {
    return [...new Set([...this.#known.values()].map(({ topic }) => topic.name))]
  }

  leaderOf(topic: Topic, partition: number): Leader | undefined {
    const leader = this.#known.get(topic.id)?.leaders.get(partition)
    return leader === undefined || leader.nodeId < 0 ? undefined : leader
  }

  epochSinceMs(topic: Topic, partition: number): number | undefined {
    return this.#known.get(topic.id)?.leaders.get(partition)?.sinceMs
  }

  faultOf(topic: Topic): LogfoldError | undefined {
    const trouble = this.#known.get(topic.id)?.trouble
    if (trouble === undefined) return undefined
    const standsMs = performance.now() - trouble.sinceMs
    switch (trouble.kind) {
      case 'missing':
        return standsMs < this.#tuning.missingAfterMs ? undefined : missing(topic)
      case 'remade':
        return standsMs < this.#tuning.remadeAfterMs ? undefined : remade(topic, trouble.found)
      case 'partitions':
        return repartitioned(topic, trouble.found)
    }
  }

  learn(topics: readonly TopicMetadata[]): void {
    for (const told of topics) {
      for (const known of this.#known.values()) if (known.topic.name === told.name) learnOne(known, told)
    }
  }
}

function learnOne(known: Known, told: TopicMetadata): void {
  const { topic, leaders } = known
  const remade = told.errorCode === 0 && told.id !== topic.id
  if (told.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION) trouble(known, 'missing', '')
  else if (remade) trouble(known, 'remade', told.id)
  else if (told.partitions.length > topic.partitions) trouble(known, 'partitions', String(told.partitions.length))
  // Fewer are those of a broker that doesn't know the whole of a new topic yet.
  else if (told.errorCode === 0) known.trouble = undefined
  if (remade || told.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION) {
    leaders.clear()
    return
  }
  for (const { index, leader, leaderEpoch } of told.partitions) {
    const before = leaders.get(index)
    // An earlier epoch is told by a broker that lags behind.
    if (before !== undefined && leaderEpoch < before.epoch) continue
    if (before?.nodeId === leader && before.epoch === leaderEpoch) continue
    leaders.set(index, { nodeId: leader, epoch: leaderEpoch, sinceMs: performance.now() })
  }
}

function trouble(known: Known, kind: Trouble['kind'], found: string): void {
  if (known.trouble?.kind === kind && known.trouble.found === found) return
  known.trouble = { kind, found, sinceMs: performance.now() }
}

const missing = (topic: Topic): LogfoldError =>
  new LogfoldError('topic-missing', `The topic ${topic.name} (id ${topic.id}) is no longer there`, {
    remedy: 'Make it again, with its records if they are kept elsewhere: one that is made again is another topic, whatever its name',
  })

const remade = (topic: Topic, found: string): LogfoldError =>
  new LogfoldError('topic-mismatch', `The topic ${topic.name} was made again: its id is ${found}, and was ${topic.id}`, {
    remedy: 'See that the new topic holds what it should, or name another one in the config (logfold reload)',
  })

/** What helps where a topic's partitions were added. */
export const copyRemedy = (partitions: number | string): string =>
  `Copy the records, by their times, into a new topic with ${partitions} partitions, and name that and its partitions in the config (logfold reload)`

const repartitioned = (topic: Topic, found: string): LogfoldError =>
  new LogfoldError('topic-mismatch', `The topic ${topic.name} now has ${found} partitions instead of ${topic.partitions}`, {
    remedy: `Keys have moved between partitions, so no order holds between old and new records. ${copyRemedy(found)}`,
  })
