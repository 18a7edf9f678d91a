import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { GroupMember, Membership, Topic } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import { pause } from '../../model/pause.ts'
import { type KafkaClient, type Refusal, refusalIn, type SharedAdmin } from './client.ts'
import { GroupConsumer } from './group-consumer.ts'
import { within } from './within.ts'

/** Between two tries, doubled up to the most. */
const RETRY_MS = 500
const RETRY_MS_MAX = 5_000
const LEAVE_MS = 3_000
const MEMBERS_MS = 1_000
/** A group's first coordinator takes a moment: the first try that fails isn't worth a warning. */
const TRIES_WARNED_AT = 2
/** So often one after another: a broker that has just started may not know everybody's rights yet. */
const REFUSALS_BELIEVED = 3

/** What doesn't pass by itself. All else is an outage, and waited for. */
const FINAL = new Set([
  'GROUP_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_SESSION_TIMEOUT',
  'INVALID_GROUP_ID',
  'INVALID_TOPIC_EXCEPTION',
])

export interface MembershipsOptions {
  readonly client: KafkaClient
  readonly admin: SharedAdmin
  readonly logger: Logger
}

/** This process's memberships of groups. */
export class Memberships {
  readonly #options: MembershipsOptions
  readonly #current = new Set<Membership>()

  constructor(options: MembershipsOptions) {
    this.#options = options
  }

  /**
   * Takes part in the group from now on, and answers at once: joining goes on beside, for as long as it takes. While the brokers are away, or the
   * topic is missing, it is tried on, and the member keeps what it has.
   *
   * The member is told what changed when a rebalance is done, one call after another: what it lost, and once it has given that up, what it got.
   * During a rebalance it keeps everything. It is told `failed` once where the brokers refuse the group for good.
   */
  join(group: string, topic: Topic, member: GroupMember): Membership {
    const { client, logger } = this.#options
    const joined = new JoinedGroup({ client, logger, group, topic, member })
    const membership = { leave: () => joined.leave().finally(() => this.#current.delete(membership)) }
    this.#current.add(membership)
    return membership
  }

  /**
   * How many members the group has; undefined where nobody may tell, or nobody does within 1 s. Members that
   * died count until their session times out.
   */
  async members(group: string): Promise<number | undefined> {
    const described = this.#options.admin.use(admin => admin.describeGroups([group]))
    try {
      const { groups } = await within(MEMBERS_MS, described)
      return groups[0]?.members.length
    } catch {
      return undefined
    }
  }

  /** Leaves all groups. */
  async close(): Promise<void> {
    await Promise.all([...this.#current].map(membership => membership.leave()))
  }
}

interface JoinedOptions {
  readonly client: KafkaClient
  readonly logger: Logger
  readonly group: string
  readonly topic: Topic
  readonly member: GroupMember
}

/** One consumer after another, until it is left, or refused for good. */
class JoinedGroup {
  readonly #options: JoinedOptions
  readonly #leaving = new AbortController()
  /** What the member has been told. */
  readonly #has = new Set<number>()
  /** What the group gave it last. */
  #given: readonly number[] = []
  /** Of `#given`: at least that, until a heartbeat says. */
  #generation = 0
  /** Calls of the member, one after another. */
  #calls: Promise<void> = Promise.resolve()
  #consumer: GroupConsumer | undefined
  /** Tries since it was a member last, and how many of them were refused for good, one after another. */
  #tries = 0
  #refusals = 0
  #left: Promise<void> | undefined

  constructor(options: JoinedOptions) {
    this.#options = options
    void this.#run()
  }

  leave(): Promise<void> {
    this.#left ??= this.#leave()
    return this.#left
  }

  async #leave(): Promise<void> {
    this.#leaving.abort()
    this.#given = []
    await this.#settle()
    await this.#consumer?.stop(LEAVE_MS)
  }

  async #run(): Promise<void> {
    const { client, group, topic } = this.#options
    while (!this.#leaving.signal.aborted) {
      this.#consumer = new GroupConsumer({
        client,
        group,
        topic: topic.name,
        partitions: topic.partitions,
        claims: () => ({ generation: this.#generation, partitions: this.#given }),
        assigned: given => this.#assigned(given),
        generation: generation => {
          this.#generation = generation
        },
      })
      const cause = await this.#consumer.ended
      if (this.#leaving.signal.aborted || this.#failed(cause)) return
      await this.#pause(cause)
    }
  }

  #assigned(given: readonly number[]): void {
    if (this.#leaving.signal.aborted) return
    const { logger, group } = this.#options
    if (this.#tries >= TRIES_WARNED_AT) logger.info('In the group again', { group })
    this.#tries = 0
    this.#refusals = 0
    this.#generation++
    this.#given = given.toSorted((a, b) => a - b)
    void this.#settle()
  }

  #settle(): Promise<void> {
    this.#calls = this.#calls.then(() => this.#tellChanges())
    return this.#calls
  }

  /** What was given meanwhile counts, not what was when the call was queued. */
  async #tellChanges(): Promise<void> {
    const { member, logger } = this.#options
    try {
      const lost = [...this.#has].filter(partition => !this.#given.includes(partition)).sort((a, b) => a - b)
      for (const partition of lost) this.#has.delete(partition)
      if (lost.length > 0) await member.revoked(lost)
    } catch (error) {
      logger.error('Partitions were not given up as they should be', { cause: messageOf(error) })
    }
    const got = this.#given.filter(partition => !this.#has.has(partition))
    for (const partition of got) this.#has.add(partition)
    if (got.length > 0) member.assigned(got)
  }

  /** Whether there is no sense in going on. */
  #failed(cause: unknown): boolean {
    const refusal = refusalIn(cause)
    if (refusal === undefined || !FINAL.has(refusal.type)) this.#refusals = 0
    else if (++this.#refusals === REFUSALS_BELIEVED) {
      this.#options.member.failed(this.#failure(refusal, cause))
      return true
    }
    return false
  }

  #failure({ type, message }: Refusal, cause: unknown): LogfoldError {
    const { client, group, topic } = this.#options
    const remedies: Readonly<Record<string, string>> = {
      GROUP_AUTHORIZATION_FAILED: client.allow(['Read'], `--group ${group}`),
      TOPIC_AUTHORIZATION_FAILED: client.allow(['Read'], `--topic ${topic.name}`),
      INCONSISTENT_GROUP_PROTOCOL: 'Somebody else uses a group of this name: set another log.namespace, or stop them',
      INVALID_SESSION_TIMEOUT: 'Let the brokers take a session timeout of 10 s: group.min.session.timeout.ms, group.max.session.timeout.ms',
    }
    return new LogfoldError('log-unavailable', `Kafka does not let this process into the group ${group}: ${message}`, {
      cause,
      remedy: remedies[type],
    })
  }

  async #pause(cause: unknown): Promise<void> {
    const { logger, group } = this.#options
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.#tries) * (0.75 + Math.random() / 2)
    const fields = { group, cause: messageOf(cause) }
    if (++this.#tries === TRIES_WARNED_AT) logger.warn('Not in the group; trying on. Partitions stay as they are', fields)
    else logger.debug('Not in the group', fields)
    await pause(delayMs, this.#leaving.signal)
  }
}
