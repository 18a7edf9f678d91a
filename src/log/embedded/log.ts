import { randomUUID } from 'node:crypto'
import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { AppendOutcome, GroupMember, Log, LogReader, LogWriter, Membership, MissingDeletes, Topic, TopicSpec } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import type { NewRecord, Offset } from '../../model/record.ts'
import type { Checkpoint } from '../../model/view-backend.ts'
import { Thread } from '../../sqlite/thread.ts'
import { refusalOf } from '../admit.ts'
import { Appender, type AppendRecord } from './appender.ts'
import { clockOf } from './clock.ts'
import type { CompactionReport } from './compaction.ts'
import { type CompactionTuning, Compactor, defaultTuning } from './compactor.ts'
import { Ends } from './ends.ts'
import { Lease } from './lease.ts'
import { type Claimant, hostOfPids } from './lease-row.ts'
import { EmbeddedReader } from './reader.ts'
import type { ReaderFunctions } from './reader-thread.ts'
import type { NumberedTopic } from './topics.ts'
import type { WriterFunctions } from './writer-thread.ts'

export interface EmbeddedLogOptions {
  /** The file; made, with its folders, where there is none. */
  readonly path: string
  readonly logger: Logger
  /** How long a tombstone stays after compaction first reached it. Milliseconds; 24 hours where undefined. */
  readonly deleteRetentionMs?: number
  readonly compaction?: Partial<CompactionTuning>
  /** One of the log's threads has died: nothing of it can be used any more, and the process should end. */
  readonly died?: (error: Error) => void
  /** The clock, for tests. Milliseconds since the epoch. */
  readonly nowMs?: () => number
}

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * Opens the log in one SQLite file. Several processes may have it open and append; one of them folds, by a lease in the file, and that one compacts.
 *
 * An acknowledged record survives a crash of the process, of the machine, and a power cut, as far as the disk keeps what it was told to sync. The
 * file must be on a local disk: SQLite's write-ahead log needs shared memory. It doesn't shrink; what
 * compaction removes leaves room for what follows.
 * @throws log-unavailable where the file can't be opened. @throws foreign-store where it is something else.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const writing = new Thread<WriterFunctions>(new URL('./writer-thread', import.meta.url), undefined)
  const reading = new Thread<ReaderFunctions>(new URL('./reader-thread', import.meta.url), undefined)
  try {
    for (const thread of [writing, reading]) thread.onDeath(error => options.died?.(error))
    const logId = await writing.call('open', [options.path])
    await reading.call('open', [options.path])
    return new EmbeddedLog(options, logId, writing, reading)
  } catch (error) {
    await Promise.all([writing.close(), reading.close()])
    throw unavailable(options.path, error)
  }
}

export class EmbeddedLog implements Log {
  readonly kind = 'embedded'
  readonly logId: string
  readonly #options: EmbeddedLogOptions
  readonly #writing: Thread<WriterFunctions>
  readonly #reading: Thread<ReaderFunctions>
  readonly #appender: Appender
  readonly #ends: Ends
  readonly #lease: Lease
  readonly #compactor: Compactor
  readonly #claimant: Claimant = { owner: randomUUID(), host: hostOfPids(), pid: process.pid }
  readonly #topics = new Map<string, NumberedTopic>()
  readonly #readers = new Set<LogReader>()
  readonly #nowMs: () => number
  #closed: Promise<void> | undefined

  constructor(options: EmbeddedLogOptions, logId: string, writing: Thread<WriterFunctions>, reading: Thread<ReaderFunctions>) {
    const { logger, deleteRetentionMs = DAY_MS, compaction, nowMs = Date.now } = options
    this.logId = logId
    this.#options = options
    this.#nowMs = nowMs
    this.#writing = writing
    this.#reading = reading
    this.#ends = new Ends(() => reading.call('changes', []))
    this.#appender = new Appender({
      commit: (packed, durable) => writing.call('append', [packed, durable, nowMs()], [packed.index.buffer, packed.bytes.buffer]),
      committed: (number, offset) => this.#ends.reached(number, offset + 1),
    })
    this.#lease = new Lease({
      hold: () => writing.call('holdLease', [this.#claimant, clockOf(nowMs)]),
      release: () => writing.call('releaseLease', [this.#claimant.owner]),
      logger,
    })
    this.#compactor = new Compactor({
      thread: writing,
      tuning: { ...defaultTuning, ...compaction },
      deleteRetentionMs,
      nowMs,
      mayCompact: () => this.#lease.held,
      logger,
    })
  }

  async reach(): Promise<string> {
    this.#assertOpen()
    return this.#options.path
  }

  async topic(spec: TopicSpec): Promise<Topic> {
    const topic = await this.#ask(() => this.#writing.call('topic', [spec]))
    this.#topics.set(topic.id, topic)
    return topic
  }

  async endOffsets(topic: Topic): Promise<readonly Offset[]> {
    const { firstNumber, partitions } = this.#known(topic)
    return this.#ask(() => this.#reading.call('endOffsets', [firstNumber, partitions]))
  }

  reader(topic: Topic, partition: number, position: Offset): LogReader {
    this.#assertOpen()
    const reader = new EmbeddedReader({
      topic: topic.name,
      partition,
      number: this.#number(topic, partition),
      position,
      thread: this.#reading,
      ends: this.#ends,
      logger: this.#options.logger,
      onClose: closed => this.#readers.delete(closed),
    })
    this.#readers.add(reader)
    return reader
  }

  writer(topic: Topic): LogWriter {
    this.#assertOpen()
    const known = this.#known(topic)
    return {
      append: async (records, deadlineMs): Promise<readonly AppendOutcome[]> => {
        this.#assertOpen()
        return this.#appender.append(
          records.map(record => admit(known, record)),
          deadlineMs,
        )
      },
    }
  }

  async join(_group: string, topic: Topic, member: GroupMember): Promise<Membership> {
    this.#assertOpen()
    return this.#lease.join(this.#known(topic), member)
  }

  async members(_group: string): Promise<number> {
    return (await this.#ask(() => this.#reading.call('leaseIsHeld', [this.#claimant.host, clockOf(this.#nowMs)]))) ? 1 : 0
  }

  /** Exact: what was removed before the fold began was removed with all that it deleted. */
  async missingDeletes(topic: Topic, partition: number, since: Pick<Checkpoint, 'position' | 'tombstonesRemovedTo'>): Promise<MissingDeletes> {
    const number = this.#number(topic, partition)
    const removedTo = await this.#ask(() => this.#reading.call('tombstonesRemovedTo', [number]))
    return since.position > 0 && removedTo >= since.position && removedTo > since.tombstonesRemovedTo ? 'possible' : 'none'
  }

  /**
   * Compacts every partition of these topics, or of all that were asked for, now and whether it is worth it or not. For
   * tests and tools; the background does without.
   */
  async compactNow(topics: Iterable<Topic> = this.#topics.values()): Promise<CompactionReport> {
    const numbers = [...topics].flatMap(topic => Array.from({ length: topic.partitions }, (_, at) => this.#number(topic, at)))
    return this.#ask(() => this.#compactor.run(numbers))
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    for (const reader of this.#readers) reader.close()
    await this.#lease.close()
    await Promise.all([this.#appender.close(), this.#compactor.close()])
    await Promise.all([this.#writing.close(), this.#reading.close()])
  }

  /** Errors of ours come through; what SQLite says means that the file can't be used now. */
  async #ask<T>(call: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    try {
      return await call()
    } catch (error) {
      throw unavailable(this.#options.path, error)
    }
  }

  #known(topic: Topic): NumberedTopic {
    this.#assertOpen()
    const known = this.#topics.get(topic.id)
    if (known !== undefined) return known
    throw new LogfoldError('topic-mismatch', `The topic ${topic.name} with id ${topic.id} was not asked of this log`)
  }

  #number(topic: Topic, partition: number): number {
    const { firstNumber, partitions } = this.#known(topic)
    if (partition >= 0 && partition < partitions) return firstNumber + partition
    throw new LogfoldError('topic-mismatch', `The topic ${topic.name} has partitions 0 to ${partitions - 1}, so not ${partition}`)
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new LogfoldError('closed', 'The log was closed')
  }
}

function admit(topic: NumberedTopic, record: NewRecord): AppendRecord {
  const refused = refusalOf(topic, record, 'taken')
  if (refused !== undefined) return { record, refused }
  return { record, number: topic.firstNumber + record.partition, durable: topic.deleteAfterMs === undefined }
}

function unavailable(path: string, error: unknown): LogfoldError {
  if (error instanceof LogfoldError) return error
  return new LogfoldError('log-unavailable', `The log file ${path} cannot be used: ${messageOf(error)}`, {
    remedy: 'See that its folder can be written, that the disk has room, and that no other program holds it locked',
    cause: error,
  })
}
