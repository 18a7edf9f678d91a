import { type LogfoldError, messageOf } from '../../model/errors.ts'
import type { Topic } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import type { Batch } from './batch.ts'
import { type Brokers, RequestFailed } from './brokers.ts'
import type { Clock } from './clock.ts'
import type { Attempt, PartitionQueue } from './partition-queue.ts'
import { ProducerIds } from './producer-ids.ts'
import { appendOutcomeOf, describe } from './wire/errors.ts'
import { type Produced, type ProducedPartition, type ProduceTopic, produceRequest } from './wire/produce.ts'

/** How long a broker waits for the other replicas. Then it says so, and what it appended stays. */
const REPLICAS_MS = 5_000
/** After that an answer is lost. */
const REQUEST_MS = 8_000
/** The first batch goes whatever its size. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500

export interface SenderOptions {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly logger: Logger
  /** Why nothing new may be sent to the topic now. */
  readonly obstacleOf: (topic: Topic) => LogfoldError | undefined
}

/** The way to one leader: one Produce request at a time. */
interface Lane {
  readonly nodeId: number
  busy: boolean
  throttled: boolean
}

/** What one request takes along: a batch of each partition. */
type Load = readonly (readonly [PartitionQueue, Batch])[]

/**
 * Sends the batches of all partitions: a request a leader, with a batch of each of its partitions that has something
 * to send. What arrives meanwhile gathers.
 */
export class Sender {
  readonly #options: SenderOptions
  readonly #ids: ProducerIds
  readonly #lanes = new Map<number, Lane>()
  /** Those with something to send that neither wait for an answer nor pause. The one that was served stands last. */
  readonly #ready = new Set<PartitionQueue>()
  /** Failures one after another, of those that pause or have paused since a batch was acknowledged. */
  readonly #failures = new Map<PartitionQueue, number>()
  readonly #pausing = new Set<PartitionQueue>()
  #woken = false
  #stopped = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#ids = new ProducerIds({ ...options, onChange: () => this.#wake() })
  }

  /** Why a partition is late, as far as it's known. */
  problemOf(partition: PartitionQueue): string | undefined {
    return partition.problem ?? (partition.numbered ? undefined : this.#ids.problem)
  }

  /** The partition has something to send, or may have. */
  offer(partition: PartitionQueue): void {
    if (partition.sent || this.#pausing.has(partition)) return
    this.#ready.add(partition)
    this.#wake()
  }

  stop(): void {
    this.#stopped = true
  }

  /** What is appended in this turn of the event loop comes along: most often by those that were just answered. */
  #wake(): void {
    if (this.#woken || this.#stopped) return
    this.#woken = true
    this.#options.clock.endOfTurn(() => {
      this.#woken = false
      if (!this.#stopped) this.#load()
    })
  }

  #load(): void {
    const { brokers, clock } = this.#options
    const nowMs = clock.nowMs()
    const loads = new Map<Lane, { readonly load: [PartitionQueue, Batch][]; bytes: number }>()
    for (const partition of this.#ready) {
      this.#heedObstacles(partition)
      if (!partition.waiting) {
        this.#ready.delete(partition)
        continue
      }
      if (!this.#number(partition)) continue
      const leader = brokers.leaderOf(partition.topic, partition.partition)
      if (leader === undefined) {
        partition.hinder('the partition has no leader')
        this.#pause(partition)
        continue
      }
      const lane = this.#lane(leader.nodeId)
      if (lane.busy || lane.throttled) continue
      const loading = loads.get(lane) ?? { load: [], bytes: 0 }
      if (loading.load.length > 0 && loading.bytes + partition.nextBytesMax > REQUEST_BYTES_MAX) continue
      const batch = partition.take(nowMs)
      loading.load.push([partition, batch])
      loading.bytes += batch.bytes.length
      loads.set(lane, loading)
      this.#ready.delete(partition)
    }
    for (const [lane, { load }] of loads) void this.#send(lane, load)
  }

  #heedObstacles(partition: PartitionQueue): void {
    const { brokers, obstacleOf } = this.#options
    const fault = brokers.faultOf(partition.topic)
    if (fault !== undefined) partition.abandon(fault)
    const obstacle = obstacleOf(partition.topic)
    if (obstacle !== undefined) partition.fail(obstacle)
  }

  #number(partition: PartitionQueue): boolean {
    if (partition.numbered) return true
    const numbering = this.#ids.numbering(partition.spentId)
    if (numbering === undefined) return false
    partition.renumber(numbering)
    return true
  }

  #lane(nodeId: number): Lane {
    const known = this.#lanes.get(nodeId)
    if (known !== undefined) return known
    const lane: Lane = { nodeId, busy: false, throttled: false }
    this.#lanes.set(nodeId, lane)
    return lane
  }

  async #send(lane: Lane, load: Load): Promise<void> {
    lane.busy = true
    const attemptOf = await this.#request(lane, load)
    lane.busy = false
    for (const [partition] of load) this.#settle(partition, attemptOf(partition))
    this.#wake()
  }

  /** @returns what came of it for each partition */
  async #request(lane: Lane, load: Load): Promise<(partition: PartitionQueue) => Attempt> {
    try {
      const request = produceRequest({ timeoutMs: REPLICAS_MS, topics: topicsOf(load) })
      const answer = await this.#options.brokers.request(lane.nodeId, request, REQUEST_MS)
      if (answer.throttleMs > 0) this.#throttle(lane, answer.throttleMs)
      const answers = answersOf(answer)
      return ({ topic, partition }) => attemptOf(answers.get(keyOf(topic.name, partition)))
    } catch (error) {
      const kind = error instanceof RequestFailed && !error.sent ? 'not-appended' : 'uncertain'
      return () => ({ kind, detail: messageOf(error) })
    }
  }

  #throttle(lane: Lane, throttleMs: number): void {
    lane.throttled = true
    this.#options.clock.after(throttleMs, () => {
      lane.throttled = false
      this.#wake()
    })
  }

  #settle(partition: PartitionQueue, attempt: Attempt): void {
    if (attempt.kind !== 'appended') this.#report(partition, attempt.kind, attempt.detail)
    const pause = partition.settle(attempt)
    this.#heedObstacles(partition)
    if (pause) this.#pause(partition)
    else {
      this.#failures.delete(partition)
      if (partition.waiting) this.offer(partition)
    }
  }

  #report({ topic, partition }: PartitionQueue, kind: Attempt['kind'], detail: string): void {
    const { logger } = this.#options
    const fields = { topic: topic.name, partition, outcome: kind, cause: detail }
    if (kind === 'not-appended' || kind === 'uncertain' || kind === 'too-large') logger.debug('A batch was not acknowledged; trying again', fields)
    else logger.warn('A batch was not acknowledged', fields)
  }

  /** Until the metadata has been read again, and a while longer each time. */
  #pause(partition: PartitionQueue): void {
    const failures = this.#failures.get(partition) ?? 0
    this.#failures.set(partition, failures + 1)
    this.#ready.delete(partition)
    this.#pausing.add(partition)
    const { brokers, clock } = this.#options
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS)
    const paused = new Promise<void>(resolve => {
      clock.after(pauseMs, resolve)
    })
    void Promise.all([paused, brokers.refresh()]).then(() => {
      this.#pausing.delete(partition)
      this.offer(partition)
    })
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}/${partition}`

const answersOf = ({ partitions }: Produced): ReadonlyMap<string, ProducedPartition> =>
  new Map(partitions.map(answer => [keyOf(answer.topic, answer.partition), answer]))

function attemptOf(answer: ProducedPartition | undefined): Attempt {
  if (answer === undefined) return { kind: 'uncertain', detail: 'the answer lacks the partition' }
  const { errorCode, baseOffset, errorMessage } = answer
  const kind = appendOutcomeOf(errorCode, baseOffset)
  if (kind === 'appended') return { kind, baseOffset }
  const said = describe(errorCode)
  return { kind, detail: errorMessage === undefined ? said : `${said}: ${errorMessage}` }
}

/** The queues of a topic share one object of it. */
const topicsOf = (load: Load): readonly ProduceTopic[] =>
  [...Map.groupBy(load, ([{ topic }]) => topic)].map(([{ name, id }, ofTopic]) => ({
    name,
    id,
    partitions: ofTopic.map(([{ partition }, { bytes }]) => ({ partition, records: bytes })),
  }))
