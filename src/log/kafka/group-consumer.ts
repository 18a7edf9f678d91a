import type { Cluster, Consumer, PartitionAssigner } from 'kafkajs'
import { type KafkaClient, refusalIn, type Session } from './client.ts'
import { type Claims, stickyAssignor } from './sticky-assignor.ts'
import { within } from './within.ts'

const SESSION_TIMEOUT_MS = 10_000
const REBALANCE_TIMEOUT_MS = 10_000
const HEARTBEAT_INTERVAL_MS = 1_000
/**
 * A consumer whose partitions are all paused sleeps so long, and then looks whether a heartbeat is due: it is the delay of
 * noticing a rebalance, beside the interval.
 */
const SLEEP_MS = 300
/** Against one coordinator, some seconds: a new one is found only by a consumer that begins anew. */
const RETRY = { initialRetryTime: 200, maxRetryTime: 1_000, retries: 8 }
/** Longer than anything that may lie between two heartbeats: a rebalance waits for the slowest member. */
const STALLED_MS = 30_000
const LOOK_MS = 5_000

export interface GroupConsumerOptions {
  readonly client: KafkaClient
  readonly group: string
  readonly topic: string
  /** How many the topic has. */
  readonly partitions: number
  readonly claims: () => Claims
  /** A rebalance is done, and these partitions are the member's. */
  readonly assigned: (partitions: readonly number[]) => void
  /** The group's generation, once it is known: with the first heartbeat after a rebalance. */
  readonly generation: (generation: number) => void
}

/**
 * One kafkajs consumer as a group member that reads nothing: from its first connection to its end, which is
 * told once. It doesn't begin again by itself.
 *
 * kafkajs's own restart isn't used. It starts what was disconnected meanwhile, a failure within it is an unhandled rejection, and it never comes
 * where the disconnecting before it waits for an answer from a broker that hangs: then the consumer stands still in silence. So a consumer that is
 * told to stop, or hasn't sent a heartbeat for 30 s, has its connections cut.
 */
export class GroupConsumer {
  /** Why it ended; undefined where it was stopped. Never rejects. */
  readonly ended: Promise<unknown>
  readonly #options: GroupConsumerOptions
  readonly #session: Session
  readonly #consumer: Consumer
  readonly #end = Promise.withResolvers<unknown>()
  /** Settles when it is a member for the first time, or never will be. */
  readonly #joined = Promise.withResolvers<void>()
  #cluster: Cluster | undefined
  #looksWithoutSign = 0
  #stopping = false

  constructor(options: GroupConsumerOptions) {
    const { client, group, topic, partitions, claims } = options
    this.#options = options
    this.#session = client.session()
    const createAssigner = stickyAssignor(topic, partitions, claims)
    const assigner: PartitionAssigner = config => {
      this.#cluster = config.cluster
      return createAssigner(config)
    }
    this.#consumer = this.#session.kafka.consumer({
      groupId: group,
      partitionAssigners: [assigner],
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_INTERVAL_MS,
      maxWaitTimeInMs: SLEEP_MS,
      allowAutoTopicCreation: false,
      retry: { ...RETRY, restartOnFailure: async () => false },
    })
    this.#listen()
    this.ended = this.#run()
  }

  /** Leaves the group, or gives up doing so. @param ms at most */
  async stop(ms: number): Promise<void> {
    this.#stopping = true
    try {
      await within(ms, this.#leave())
    } catch {
      // The coordinator notices when the session times out.
    }
    this.#session.abandon()
    this.#end.resolve(undefined)
  }

  async #leave(): Promise<void> {
    // kafkajs can't leave while it joins for the first time: it would become a member after that.
    await this.#joined.promise
    await this.#consumer.disconnect()
  }

  async #run(): Promise<unknown> {
    const watch = setInterval(() => this.#look(), LOOK_MS)
    try {
      this.#start().catch(error => this.#end.resolve(error))
      const cause = await this.#end.promise
      this.#joined.resolve()
      return this.#stopping ? undefined : await this.#explain(cause)
    } finally {
      clearInterval(watch)
      this.#session.abandon()
    }
  }

  async #start(): Promise<void> {
    const { topic } = this.#options
    await this.#consumer.connect()
    await this.#consumer.subscribe({ topics: [topic] })
    await this.#consumer.run({ autoCommit: false, eachBatch: async () => undefined })
  }

  #listen(): void {
    const { topic, assigned, generation } = this.#options
    const { GROUP_JOIN, HEARTBEAT, CRASH } = this.#consumer.events
    this.#consumer.on(GROUP_JOIN, ({ payload }) => {
      this.#looksWithoutSign = 0
      if (!this.#stopping) this.#consumer.pause([{ topic }])
      this.#joined.resolve()
      if (!this.#stopping) assigned(payload.memberAssignment[topic] ?? [])
    })
    this.#consumer.on(HEARTBEAT, ({ payload }) => {
      this.#looksWithoutSign = 0
      generation(payload.groupGenerationId)
    })
    this.#consumer.on(CRASH, ({ payload }) => this.#end.resolve(payload.error))
  }

  /** Counts looks, not time, so that a process that was stopped for a while isn't taken for a consumer that stands still. */
  #look(): void {
    if (++this.#looksWithoutSign > STALLED_MS / LOOK_MS) this.#end.resolve(new Error(`no heartbeat for ${STALLED_MS / 1000} s`))
  }

  /** kafkajs swallows why no broker names a coordinator. One that refuses the group says so to whoever describes it, too. */
  async #explain(cause: unknown): Promise<unknown> {
    const cluster = this.#cluster
    if (!(cause instanceof Error) || cause.name !== 'KafkaJSGroupCoordinatorNotFound' || cluster === undefined) return cause
    try {
      await cluster.connect()
      await cluster.refreshMetadata()
      const [nodeId] = cluster.getNodeIds()
      if (nodeId === undefined) return cause
      const broker = await cluster.findBroker({ nodeId: String(nodeId) })
      await broker.describeGroups({ groupIds: [this.#options.group] })
      return cause
    } catch (error) {
      return refusalIn(error)?.type.endsWith('AUTHORIZATION_FAILED') === true ? error : cause
    }
  }
}
