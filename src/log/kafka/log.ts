import { LogfoldError } from '../../model/errors.ts'
import type { AppendOutcome, GroupMember, Log, LogReader, LogWriter, Membership, MissingDeletes, Topic, TopicSpec } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import type { Offset } from '../../model/record.ts'
import type { Checkpoint } from '../../model/view-backend.ts'
import { type ClientOptions, type KafkaClient, makeClient, SharedAdmin } from './client.ts'
import { Cluster } from './cluster.ts'
import { readEndOffsets } from './end-offsets.ts'
import { Fetcher } from './fetcher.ts'
import type { TopicTuning } from './known-topics.ts'
import { Memberships } from './membership.ts'
import { Producer } from './producer.ts'
import { KafkaReader } from './reader.ts'
import { Retention } from './retention.ts'
import { type FoundTopic, Topics } from './topics.ts'
import { errorCodes } from './wire/errors.ts'

export interface KafkaLogOptions extends ClientOptions {
  readonly logger: Logger
  readonly tuning?: Partial<KafkaTuning>
}

export interface KafkaTuning extends TopicTuning {
  /** How long a leader's epoch must have stood before its word counts that a position lies beyond its end. Milliseconds. */
  readonly outOfRangeAfterMs: number
  /** A topic that keeps tombstones for less is refused. Milliseconds. */
  readonly deleteRetentionMinMs: number
}

const OUT_OF_RANGE_AFTER_MS = 30_000
/** Checkpoints tell to the minute when a partition was at its end. */
const DELETE_RETENTION_MIN_MS = 5 * 60_000

/** Kafka, from 3.1 on. Connects when it is first used, and for as long as brokers are away goes on trying. SPEC.md tells how it reads and writes. */
export class KafkaLog implements Log {
  readonly kind = 'kafka'
  readonly #logger: Logger
  readonly #cluster: Cluster
  readonly #client: KafkaClient
  readonly #admin: SharedAdmin
  readonly #topics: Topics
  readonly #memberships: Memberships
  readonly #fetcher: Fetcher
  readonly #producer: Producer
  /** Of the topics that were asked for, by id. */
  readonly #retentions = new Map<string, Retention>()
  readonly #readers = new Set<LogReader>()
  #closed: Promise<void> | undefined

  constructor({ logger, tuning = {}, ...options }: KafkaLogOptions) {
    this.#logger = logger
    this.#cluster = new Cluster({ ...options, ...tuning, logger })
    this.#client = makeClient(options, logger)
    this.#admin = new SharedAdmin(this.#client)
    this.#topics = new Topics({
      client: this.#client,
      admin: this.#admin,
      metadata: name => this.#found(name),
      logger,
      deleteRetentionMinMs: tuning.deleteRetentionMinMs ?? DELETE_RETENTION_MIN_MS,
    })
    this.#memberships = new Memberships({ client: this.#client, admin: this.#admin, logger })
    this.#fetcher = new Fetcher({ cluster: this.#cluster, logger, outOfRangeAfterMs: tuning.outOfRangeAfterMs ?? OUT_OF_RANGE_AFTER_MS })
    this.#producer = new Producer({ brokers: this.#cluster, logger })
  }

  get logId(): string {
    const { clusterId } = this.#cluster
    if (clusterId === undefined) throw new LogfoldError('log-unavailable', 'No broker of Kafka has answered yet')
    return clusterId
  }

  async reach(): Promise<string> {
    this.#assertOpen()
    const { clusterId, brokers } = await this.#cluster.metadata([])
    return `Kafka cluster ${clusterId}, ${brokers.length === 1 ? '1 broker' : `${brokers.length} brokers`}`
  }

  async topic(spec: TopicSpec): Promise<Topic> {
    this.#assertOpen()
    const { deleteRetentionMs, ...topic } = await this.#topics.ensureTopic(spec)
    this.#assertOpen()
    if (!this.#retentions.has(topic.id)) {
      const ask = (): Promise<number> => this.#topics.deleteRetentionMs(topic.name)
      this.#retentions.set(topic.id, new Retention(deleteRetentionMs, ask, this.#logger))
    }
    this.#cluster.watch(topic)
    await this.#cluster.metadata([topic.name])
    return { ...topic, deletesKeptMs: deleteRetentionMs }
  }

  async endOffsets(topic: Topic): Promise<readonly Offset[]> {
    this.#assertKnown(topic)
    return readEndOffsets(this.#cluster, topic)
  }

  reader(topic: Topic, partition: number, position: Offset, leaderEpoch = -1): LogReader {
    const retention = this.#retentionOf(topic)
    if (partition < 0 || partition >= topic.partitions)
      throw new LogfoldError('topic-mismatch', `The topic ${topic.name} has no partition ${partition}`)
    const reader = new KafkaReader({
      topic,
      partition,
      position,
      leaderEpoch,
      fetcher: this.#fetcher,
      tombstonesKeptMs: () => retention.ms,
      fault: () => this.#cluster.faultOf(topic),
      onClose: closed => this.#readers.delete(closed),
    })
    this.#readers.add(reader)
    return reader
  }

  writer(topic: Topic): LogWriter {
    this.#assertKnown(topic)
    return {
      append: async (records, deadlineMs): Promise<readonly AppendOutcome[]> => {
        this.#assertOpen()
        return this.#producer.append(topic, records, deadlineMs)
      },
    }
  }

  async join(group: string, topic: Topic, member: GroupMember): Promise<Membership> {
    this.#assertKnown(topic)
    return this.#memberships.join(group, topic, member)
  }

  async members(group: string): Promise<number | undefined> {
    this.#assertOpen()
    return this.#memberships.members(group)
  }

  /** By time: a tombstone that was written after the checkpoint was last at the end stays for the topic's retention of deletes. */
  async missingDeletes(topic: Topic, partition: number, since: Pick<Checkpoint, 'position' | 'atEndMs'>): Promise<MissingDeletes> {
    const retention = this.#retentionOf(topic)
    if (since.position === 0) return 'none'
    await retention.refresh()
    if (Date.now() - since.atEndMs <= retention.ms) return 'none'
    const ends = await this.endOffsets(topic)
    return (ends[partition] ?? 0) > since.position ? 'possible' : 'none-at-end'
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    for (const reader of this.#readers) reader.close()
    await this.#memberships.close()
    await this.#producer.close()
    this.#fetcher.close()
    await Promise.all([this.#cluster.close(), this.#admin.close()])
  }

  async #found(name: string): Promise<FoundTopic | 'forbidden' | undefined> {
    const { topics } = await this.#cluster.metadata([name])
    const found = topics.find(topic => topic.name === name)
    if (found === undefined || found.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION) return undefined
    if (found.errorCode === errorCodes.TOPIC_AUTHORIZATION_FAILED) return 'forbidden'
    return { id: found.id, partitions: found.partitions.length }
  }

  #assertKnown(topic: Topic): void {
    this.#retentionOf(topic)
  }

  #retentionOf(topic: Topic): Retention {
    this.#assertOpen()
    const retention = this.#retentions.get(topic.id)
    if (retention !== undefined) return retention
    throw new LogfoldError('topic-mismatch', `The topic ${topic.name} with id ${topic.id} was not asked of this log`)
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new LogfoldError('closed', 'The log was closed')
  }
}
