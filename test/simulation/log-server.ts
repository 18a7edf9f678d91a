import { LogfoldError } from '../../src/model/errors.ts'
import type { AppendOutcome, Topic, TopicSpec } from '../../src/model/log.ts'
import type { NewRecord, Offset, Stretch } from '../../src/model/record.ts'
import type { Clock } from './clock.ts'
import { type Fetch, fetchStretch, type LogPartition, type LogRecord, SimTopic } from './log-topic.ts'
import { NoAnswer } from './network.ts'
import type { Random } from './random.ts'

export interface LogServerOptions {
  readonly clock: Clock
  readonly random: Random
  /** As the embedded log, which knows what it removed; or as Kafka, which goes by time. */
  readonly tellsRemoved: boolean
  readonly retentionMs: number
  /** Name of the view's topic. */
  readonly watched: string
  /** A record was appended to the view's topic, which the judge has to know. */
  readonly appended: (partition: number, offset: Offset, record: NewRecord) => void
  readonly removed: (partition: number, record: LogRecord) => void
  /** A record was appended to the control topic. */
  readonly commanded: (offset: Offset, record: NewRecord) => void
}

/** The log itself, where there is one for all processes. Everything here happens in one moment. */
export class LogServer {
  readonly #options: LogServerOptions
  readonly #topics = new Map<string, SimTopic>()
  #made = 0
  /** The view's topic, as it was first made. */
  #watched: SimTopic | undefined
  away = false
  /** It can be read, and takes nothing: too few replicas, or a full disk. */
  readOnly = false

  constructor(options: LogServerOptions) {
    this.#options = options
  }

  get tellsRemoved(): boolean {
    return this.#options.tellsRemoved
  }

  get retentionMs(): number {
    return this.#options.retentionMs
  }

  get tombstonesKeptMs(): number | undefined {
    return this.#options.tellsRemoved ? undefined : this.#options.retentionMs
  }

  /** @throws NoAnswer */
  topic(spec: TopicSpec): SimTopic {
    this.assertThere()
    const known = this.#topics.get(spec.name)
    if (known !== undefined) return known
    if (!spec.create) throw new LogfoldError('topic-missing', `There is no topic ${spec.name}`)
    const made = new SimTopic(spec, `${spec.name}-${this.#made++}`)
    this.#topics.set(spec.name, made)
    if (spec.name === this.#options.watched) this.#watched ??= made
    return made
  }

  /** Deletes a topic and makes it anew: whoever reads the old one must notice. */
  recreate(name: string): void {
    const old = this.#topics.get(name)
    if (old === undefined) return
    this.#topics.set(name, new SimTopic({ name, partitions: old.partitions, replication: 1, create: true }, `${name}-${this.#made++}`))
    for (const part of old.parts) part.wake()
  }

  /** The topic that was meant, if it is still there. @throws NoAnswer, topic-mismatch */
  find({ name, id }: Topic): SimTopic {
    this.assertThere()
    const found = this.#topics.get(name)
    if (found?.id === id) return found
    throw new LogfoldError('topic-mismatch', `The topic ${name} was made again`)
  }

  /** @throws NoAnswer, topic-mismatch, offset-out-of-range */
  fetch(topic: Topic, fetch: Omit<Fetch, 'topic' | 'tombstonesKeptMs'>): Stretch {
    const found = this.find(topic)
    const { end } = found.part(fetch.partition)
    if (fetch.from > end) throw new LogfoldError('offset-out-of-range', `Position ${fetch.from} is beyond the end ${end}`)
    return fetchStretch({ ...fetch, topic: found, tombstonesKeptMs: this.tombstonesKeptMs }, this.#options.random)
  }

  append(topic: Topic, records: readonly NewRecord[]): readonly AppendOutcome[] {
    let found: SimTopic
    try {
      if (this.readOnly) throw new NoAnswer('the log takes nothing')
      found = this.find(topic)
    } catch (cause) {
      return records.map(() => ({ kind: 'not-sent', cause }))
    }
    return records.map(record => ({ kind: 'appended', offset: this.appendOne(found, record) }))
  }

  appendOne(topic: SimTopic, record: NewRecord): Offset {
    const { clock, appended, commanded } = this.#options
    const offset = topic.part(record.partition).append(record.key, record.value, clock.nowMs)
    if (topic === this.#watched) appended(record.partition, offset, record)
    if (topic.name === 'logfold.control') commanded(offset, record)
    return offset
  }

  /** @returns how many records went */
  compact(topic: SimTopic, partition: number, below: Offset): number {
    const part: LogPartition = topic.part(partition)
    const removed = part.compact(below, this.#options.clock.nowMs, this.#options.retentionMs)
    if (topic === this.#watched) for (const record of removed) this.#options.removed(partition, record)
    return removed.length
  }

  /** @throws NoAnswer */
  assertThere(): void {
    if (this.away) throw new NoAnswer('the log is away')
  }
}
