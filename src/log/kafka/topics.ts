import { setTimeout as wait } from 'node:timers/promises'
// Node sees only some of kafkajs's exports by name.
import kafkajs from 'kafkajs'
import { isLogfoldError, LogfoldError } from '../../model/errors.ts'
import type { Topic, TopicSpec } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import { type KafkaClient, type Refusal, refusalIn, type SharedAdmin, unavailable } from './client.ts'
import { copyRemedy } from './known-topics.ts'
import { RECORD_OVERHEAD_BYTES } from './overhead.ts'

/** A topic just made isn't known to every broker at once. */
const APPEARS_MS = 10_000
const LOOK_DELAY_MS = 100
const CREATE_TIMEOUT_MS = 10_000

const SETTINGS = ['cleanup.policy', 'max.message.bytes', 'delete.retention.ms', 'min.insync.replicas', 'unclean.leader.election.enable'] as const

/** As the metadata tells it. */
export interface FoundTopic {
  readonly id: string
  readonly partitions: number
}

export interface CheckedTopic extends Topic {
  /** How long compaction keeps a tombstone, from the time it first reached it. */
  readonly deleteRetentionMs: number
}

export interface TopicsOptions {
  readonly client: KafkaClient
  readonly admin: Pick<SharedAdmin, 'use'>
  /** Undefined: there is no such topic, and none was made by asking; forbidden: the broker doesn't say. @throws where no broker answers */
  readonly metadata: (topic: string) => Promise<FoundTopic | 'forbidden' | undefined>
  readonly logger: Logger
  /** A topic that keeps tombstones for less is refused. Milliseconds. */
  readonly deleteRetentionMinMs: number
}

interface Settings {
  readonly policies: readonly string[]
  readonly maxMessageBytes: number
  readonly deleteRetentionMs: number
  readonly minInsyncReplicas: number
  readonly uncleanElection: boolean
}

/** Makes topics, and refuses those whose settings don't keep what the spec asks for: a view can't be folded from every topic. */
export class Topics {
  readonly #options: TopicsOptions
  readonly #warned = new Set<string>()

  constructor(options: TopicsOptions) {
    this.#options = options
  }

  /** @throws topic-missing, topic-mismatch, log-unavailable: nothing is tried again for longer than a new topic takes to appear */
  async ensureTopic(spec: TopicSpec): Promise<CheckedTopic> {
    const { name } = spec
    const found = (await this.#find(name)) ?? (await this.#make(spec))
    if (found.partitions !== spec.partitions) {
      throw new LogfoldError('topic-mismatch', `The topic ${name} has ${found.partitions} partitions, not ${spec.partitions}`, {
        remedy:
          `Set partitions: ${found.partitions} in the config, if the topic always had them, or name another topic. Where partitions were added, keys have moved, ` +
          `and no order holds between old and new records: ${copyRemedy(found.partitions)}`,
      })
    }
    const settings = await this.#settings(name)
    if (spec.deleteAfterMs === undefined) {
      this.#checkCompacted(name, settings)
      this.#checkRetention(name, settings)
      await this.#warn(name, settings)
    } else {
      this.#checkDeleted(name, settings, spec.deleteAfterMs)
    }
    const { maxMessageBytes, deleteRetentionMs } = settings
    return { name, ...found, recordBytesMax: Math.max(0, maxMessageBytes - RECORD_OVERHEAD_BYTES), deleteRetentionMs }
  }

  /** @throws log-unavailable, topic-missing */
  async deleteRetentionMs(name: string): Promise<number> {
    return (await this.#settings(name)).deleteRetentionMs
  }

  async #find(name: string): Promise<FoundTopic | undefined> {
    const found = await this.#options.metadata(name).catch(error => {
      throw isLogfoldError(error) ? error : unavailable(error)
    })
    if (found !== 'forbidden') return found
    throw new LogfoldError('topic-missing', `Kafka has no topic ${name}, or logfold may not see it`, {
      remedy: this.#options.client.allow(['Read', 'DescribeConfigs'], `--topic ${name}`),
    })
  }

  async #make(spec: TopicSpec): Promise<FoundTopic> {
    const { name, partitions, replication } = spec
    const command = this.#createCommand(spec)
    if (!spec.create) {
      throw new LogfoldError('topic-missing', `Kafka has no topic ${name}`, {
        remedy: `Set create: true on the view, correct its topic, or make it: ${command}`,
      })
    }
    const topic = { topic: name, numPartitions: partitions, replicationFactor: replication, configEntries: configOf(spec) }
    try {
      // kafkajs's own waiting for leaders takes a topic that isn't known everywhere yet for one that doesn't exist.
      const made = await this.#options.admin.use(admin => admin.createTopics({ topics: [topic], waitForLeaders: false, timeout: CREATE_TIMEOUT_MS }))
      // Another may have been faster.
      if (made) this.#options.logger.info('Made a topic', { topic: name, partitions })
    } catch (error) {
      const refusal = refusalIn(error)
      if (refusal === undefined || refusal.retriable || /UNKNOWN/.test(refusal.type)) throw isLogfoldError(error) ? error : unavailable(error)
      throw new LogfoldError('topic-missing', `Kafka has no topic ${name}, and ${whyNotMade(refusal)}`, {
        remedy: `Make it: ${command}`,
        cause: error,
      })
    }
    return await this.#appears(name)
  }

  async #appears(name: string): Promise<FoundTopic> {
    for (const untilMs = performance.now() + APPEARS_MS; performance.now() < untilMs; await wait(LOOK_DELAY_MS)) {
      const found = await this.#find(name)
      if (found !== undefined) return found
    }
    throw unavailable(new Error(`the topic ${name} was made, but doesn't appear`))
  }

  async #settings(name: string): Promise<Settings> {
    const resources = [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: [...SETTINGS] }]
    for (const untilMs = performance.now() + APPEARS_MS; ; await wait(LOOK_DELAY_MS)) {
      try {
        const answer = await this.#options.admin.use(admin => admin.describeConfigs({ resources, includeSynonyms: false }))
        const entries = answer.resources.flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue]))
        return settingsOf(name, new Map(entries as [string, string][]))
      } catch (error) {
        const refusal = refusalIn(error)
        if (refusal?.type === 'UNKNOWN_TOPIC_OR_PARTITION' && performance.now() < untilMs) continue
        throw this.#settingsError(name, error, refusal)
      }
    }
  }

  #settingsError(name: string, error: unknown, refusal: Refusal | undefined): LogfoldError {
    if (refusal?.type === 'UNKNOWN_TOPIC_OR_PARTITION')
      return new LogfoldError('topic-missing', `Kafka no longer has a topic ${name}`, { cause: error })
    if (refusal?.type.endsWith('AUTHORIZATION_FAILED') === true) {
      return new LogfoldError(
        'topic-missing',
        `The settings of the topic ${name} may not be read, and a view is folded from a compacted topic only`,
        {
          remedy: this.#options.client.allow(['DescribeConfigs'], `--topic ${name}`),
          cause: error,
        },
      )
    }
    return isLogfoldError(error) ? error : unavailable(error)
  }

  #checkDeleted(name: string, { policies }: Settings, deleteAfterMs: number): void {
    if (policies.includes('compact') && policies.includes('delete')) return
    throw new LogfoldError(
      'topic-mismatch',
      `The topic ${name} doesn't go by age: its cleanup.policy is ${policies.join(',')}, and old records must be deleted from it beside being compacted`,
      {
        // In brackets, as a comma begins another setting.
        remedy: `Unless something else is kept in it: ${this.#alterCommand(name, `'cleanup.policy=[compact,delete],retention.ms=${deleteAfterMs},segment.ms=${deleteAfterMs}'`)}`,
      },
    )
  }

  #checkCompacted(name: string, { policies }: Settings): void {
    const command = this.#alterCommand(name, 'cleanup.policy=compact')
    const policy = policies.join(',')
    if (!policies.includes('compact')) {
      throw new LogfoldError('topic-mismatch', `The topic ${name} isn't compacted: its cleanup.policy is ${policy}`, {
        remedy: `Name another topic, or: ${command}`,
      })
    }
    if (policies.includes('delete')) {
      throw new LogfoldError(
        'topic-mismatch',
        `The topic ${name} is compacted, but old records are deleted too: its cleanup.policy is ${policy}. Entries would stay in the view whose records the log has no more`,
        { remedy: `Name another topic, or: ${command}` },
      )
    }
  }

  #checkRetention(name: string, { deleteRetentionMs }: Settings): void {
    const { deleteRetentionMinMs } = this.#options
    if (deleteRetentionMs >= deleteRetentionMinMs) return
    throw new LogfoldError(
      'topic-mismatch',
      `The topic ${name} keeps deletes for ${deleteRetentionMs} ms (delete.retention.ms), less than the ${deleteRetentionMinMs} ms that are needed to be sure that none was missed`,
      {
        remedy: `A day is Kafka's default: ${this.#alterCommand(name, 'delete.retention.ms=86400000')}`,
      },
    )
  }

  async #warn(name: string, { minInsyncReplicas, uncleanElection }: Settings): Promise<void> {
    if (this.#warned.has(name)) return
    const { admin, logger } = this.#options
    const { topics } = await admin.use(each => each.fetchTopicMetadata({ topics: [name] })).catch(() => ({ topics: [] }))
    const replication = Math.max(0, ...topics.flatMap(({ partitions }) => partitions.map(({ replicas }) => replicas.length)))
    if (replication === 0) return
    this.#warned.add(name)
    if (minInsyncReplicas === 1 && replication > 1) {
      logger.warn('A write is acknowledged when one copy has it, and lost with that broker; set min.insync.replicas=2 on the topic', { topic: name })
    }
    if (uncleanElection) {
      logger.warn(
        'A broker that lacks acknowledged writes may become leader, and they are lost; set unclean.leader.election.enable=false on the topic',
        {
          topic: name,
        },
      )
    }
  }

  #alterCommand(name: string, setting: string): string {
    return `kafka-configs.sh --bootstrap-server ${this.#options.client.bootstrapServers} --alter --entity-type topics --entity-name ${name} --add-config ${setting}`
  }

  #createCommand(spec: TopicSpec): string {
    const { name, partitions, replication } = spec
    const copies = replication === -1 ? '' : ` --replication-factor ${replication}`
    const config = configOf(spec).map(entry => ` --config ${entry.name}=${entry.value}`)
    return `kafka-topics.sh --bootstrap-server ${this.#options.client.bootstrapServers} --create --topic ${name} --partitions ${partitions}${copies}${config.join('')}`
  }
}

const configOf = ({ recordBytesMax, deleteAfterMs }: TopicSpec): { name: string; value: string }[] => [
  { name: 'cleanup.policy', value: deleteAfterMs === undefined ? 'compact' : 'compact,delete' },
  // A segment that is written to is neither compacted nor deleted, and by itself lasts for a week.
  ...(deleteAfterMs === undefined ? [] : ['retention.ms', 'segment.ms'].map(name => ({ name, value: String(deleteAfterMs) }))),
  ...(recordBytesMax === undefined ? [] : [{ name: 'max.message.bytes', value: String(recordBytesMax + RECORD_OVERHEAD_BYTES) }]),
]

const whyNotMade = ({ type, message }: Refusal): string =>
  type.endsWith('AUTHORIZATION_FAILED') ? 'logfold may not make topics' : `it can't be made: ${message}`

function settingsOf(name: string, entries: ReadonlyMap<string, string>): Settings {
  const number = (setting: (typeof SETTINGS)[number]): number => {
    const value = Number(entries.get(setting))
    if (!Number.isInteger(value)) throw new Error(`Kafka tells no ${setting} of the topic ${name}`)
    return value
  }
  return {
    policies: (entries.get('cleanup.policy') ?? '').split(',').map(policy => policy.trim()),
    maxMessageBytes: number('max.message.bytes'),
    deleteRetentionMs: number('delete.retention.ms'),
    minInsyncReplicas: number('min.insync.replicas'),
    uncleanElection: entries.get('unclean.leader.election.enable') === 'true',
  }
}
