import { LogfoldError } from '../../model/errors.ts'
import type { AppendOutcome, Topic } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import type { NewRecord } from '../../model/record.ts'
import { refusalOf } from '../admit.ts'
import { AppendCall } from './append-call.ts'
import type { Brokers } from './brokers.ts'
import { type Clock, systemClock } from './clock.ts'
import { PartitionQueue } from './partition-queue.ts'
import { recordBytesBound } from './records/encode.ts'
import { Sender } from './sender.ts'

/** What waits for its outcome, at most; the last call that still found room may go beyond. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024

export interface ProducerOptions {
  readonly brokers: Brokers
  readonly logger: Logger
  readonly clock?: Clock
}

/**
 * Appends to topics. One a process.
 *
 * - A record told as appended is in the log once, at that offset, on all in-sync replicas.
 * - The records of a partition are in the log in the order of the calls. Not so where two processes write.
 * - A record of unknown outcome is in the log once or not at all. It doesn't land after a later record of its partition.
 * - A record told as refused or not sent isn't in the log, and never will be.
 *
 * Not promised: anything across partitions, and anything about records of unknown outcome once brokers have forgotten the producer id (a day).
 */
export class Producer {
  readonly #brokers: Brokers
  readonly #clock: Clock
  readonly #sender: Sender
  /** By topic id. */
  readonly #partitions = new Map<string, PartitionQueue[]>()
  readonly #stopListening: () => void
  readonly #ended = Promise.withResolvers<void>()
  #waitingCalls = 0
  #waitingBytes = 0
  #closed: LogfoldError | undefined

  constructor({ brokers, logger, clock = systemClock }: ProducerOptions) {
    this.#brokers = brokers
    this.#clock = clock
    this.#sender = new Sender({ brokers, clock, logger, obstacleOf: topic => this.#obstacleOf(topic) })
    this.#stopListening = brokers.onAway(away => {
      if (away !== undefined) this.#failAll(away)
    })
  }

  /** See `LogWriter`. @throws closed */
  append(topic: Topic, records: readonly NewRecord[], deadlineMs: number): Promise<readonly AppendOutcome[]> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    if (records.length === 0) return Promise.resolve([])
    return new Promise(resolve => this.#begin(topic, records, deadlineMs, resolve))
  }

  /** What is queued isn't sent. What is under way is waited for, at most until its deadline. */
  async close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = new LogfoldError('closed', 'The log was closed')
      this.#stopListening()
      this.#failAll(this.#closed)
      if (this.#waitingCalls === 0) this.#end()
    }
    await this.#ended.promise
  }

  #begin(topic: Topic, records: readonly NewRecord[], deadlineMs: number, resolve: (outcomes: readonly AppendOutcome[]) => void): void {
    let cancel = (): void => undefined
    const call = new AppendCall(records, outcomes => {
      cancel()
      this.#waitingCalls--
      this.#waitingBytes -= call.bytes
      resolve(outcomes)
      if (this.#waitingCalls === 0 && this.#closed !== undefined) this.#end()
    })
    this.#waitingCalls++
    this.#queue(topic, call)
    if (call.answered) return
    this.#waitingBytes += call.bytes
    cancel = this.#clock.after(deadlineMs, () => this.#expire(call))
    for (const { partition } of call.shares) this.#sender.offer(partition)
  }

  #queue(topic: Topic, call: AppendCall): void {
    const obstacle = this.#obstacleOf(topic) ?? (this.#waitingBytes < WAITING_BYTES_MAX ? undefined : tooMuchWaits())
    const queues = this.#queuesOf(topic)
    for (const [place, record] of call.records.entries()) {
      const refusal = refusalOf(topic, record, 'refused')
      const queue = queues[record.partition]
      if (refusal !== undefined) call.tell(place, { kind: 'refused', cause: refusal })
      else if (obstacle !== undefined) call.tell(place, { kind: 'not-sent', cause: obstacle })
      else if (queue === undefined) throw new LogfoldError('internal', `${topic.name} has a queue for each partition`)
      else {
        queue.push(call, place)
        call.bytes += recordBytesBound(record)
      }
    }
  }

  #queuesOf(topic: Topic): readonly PartitionQueue[] {
    const known = this.#partitions.get(topic.id)
    if (known !== undefined) return known
    const queues = Array.from({ length: topic.partitions }, (_, partition) => new PartitionQueue(topic, partition))
    this.#partitions.set(topic.id, queues)
    return queues
  }

  #obstacleOf(topic: Topic): LogfoldError | undefined {
    return this.#brokers.faultOf(topic) ?? this.#brokers.away ?? this.#closed
  }

  #failAll(cause: LogfoldError): void {
    for (const queues of this.#partitions.values()) for (const queue of queues) queue.fail(cause)
  }

  #expire(call: AppendCall): void {
    const [first] = call.shares
    const problem = first === undefined ? undefined : this.#sender.problemOf(first.partition)
    const detail = problem === undefined ? 'Kafka did not acknowledge it in time' : `Kafka did not acknowledge it in time: ${problem}`
    const cause = new LogfoldError('log-unavailable', detail)
    for (const share of call.shares) share.partition.expire(share, cause)
  }

  #end(): void {
    this.#sender.stop()
    this.#ended.resolve()
  }
}

const tooMuchWaits = (): LogfoldError =>
  new LogfoldError('log-unavailable', 'Too many writes wait for Kafka', { remedy: 'Write more slowly, or later', retryAfterMs: 1_000 })
