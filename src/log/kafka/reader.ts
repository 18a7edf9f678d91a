import { isLogfoldError, LogfoldError, messageOf } from '../../model/errors.ts'
import type { LogReader, Topic } from '../../model/log.ts'
import type { Offset, Stretch } from '../../model/record.ts'
import { Ahead, type Reached } from './ahead.ts'
import type { Asked } from './fetch-loop.ts'
import type { Fetched, Fetcher } from './fetcher.ts'
import { DamagedBatch } from './records/batch.ts'
import type { FetchedPartition } from './wire/fetch.ts'

/** Tries at a batch whose checksum fails: it may have been damaged on the way. */
const CORRUPT_TRIES_MAX = 3

export interface ReaderOptions {
  readonly topic: Topic
  readonly partition: number
  readonly position: Offset
  /** Of the record before the position; -1 where it isn't known. */
  readonly leaderEpoch: number
  readonly fetcher: Fetcher
  /** How long a tombstone of the topic stays, as far as is known now. Milliseconds. */
  readonly tombstonesKeptMs: () => number
  /** Why the topic can't be read any more. */
  readonly fault: () => LogfoldError | undefined
  /** Called once, by `close`. */
  readonly onClose: (reader: LogReader) => void
}

/** Reads one partition. SPEC.md has the rules. */
export class KafkaReader implements LogReader, Fetched {
  readonly topic: Topic
  readonly partition: number
  readonly #options: ReaderOptions
  #ahead: Ahead
  #position: Offset
  #fetchPosition: Offset
  #lastEpoch: number
  #leaderEpoch = -1
  #endOffset: Offset = -1
  #starved = false
  #askedAtMs = 0
  /** When an answer came that had nothing. Milliseconds of `performance.now()`. */
  #emptyMs = Number.NEGATIVE_INFINITY
  #untilMs = Number.POSITIVE_INFINITY
  #corrupt = 0
  #failure: LogfoldError | undefined
  #closed = false
  #changed = Promise.withResolvers<void>()

  constructor(options: ReaderOptions) {
    const { topic, partition, position, leaderEpoch, fetcher } = options
    this.topic = topic
    this.partition = partition
    this.#options = options
    this.#ahead = this.#nothing()
    this.#position = position
    this.#fetchPosition = position
    this.#lastEpoch = leaderEpoch
    if (position < 0) this.#failure = new LogfoldError('offset-out-of-range', `There is no offset ${position}`)
    else void fetcher.place(this)
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch
  }

  get lastEpoch(): number {
    return this.#lastEpoch
  }

  get fetchPosition(): Offset {
    return this.#fetchPosition
  }

  get wants(): boolean {
    return !this.#closed && this.#failure === undefined && this.#ahead.hasRoom
  }

  get starved(): boolean {
    return this.#starved
  }

  /** Where an empty answer has come since then, `next` is about to give it: nobody waits for another. */
  get untilMs(): number {
    return this.#emptyMs >= this.#untilMs ? Number.POSITIVE_INFINITY : this.#untilMs
  }

  get closed(): boolean {
    return this.#closed
  }

  async next(waitMs: number): Promise<Stretch> {
    const calledMs = performance.now()
    this.#untilMs = calledMs + waitMs
    this.#options.fetcher.wake(this)
    try {
      for (;;) {
        // Taken before the look, so that what changes during it is seen.
        const changed = this.#changed.promise
        this.#assertReadable()
        const stretch = this.#take()
        if (stretch !== undefined) return stretch
        if (this.#emptyMs >= calledMs && performance.now() >= this.#untilMs) return this.#empty()
        await changed
      }
    } finally {
      this.#untilMs = Number.POSITIVE_INFINITY
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#ahead = this.#nothing()
    this.#options.fetcher.remove(this)
    this.#options.onClose(this)
    this.#wake()
  }

  answered(answer: FetchedPartition, { position, first, atMs }: Asked): void {
    // It was asked for before the reader went back to fetch again.
    if (this.#closed || position !== this.#fetchPosition) return
    const fault = this.#options.fault()
    if (fault !== undefined) this.fail(fault)
    else if (answer.errorCode !== 0) this.#options.fetcher.refused(this, answer.errorCode)
    else this.#learn(answer, position, first, atMs)
  }

  #learn(answer: FetchedPartition, position: Offset, first: boolean, atMs: number): void {
    // A new leader learns a moment later how far its predecessor had got; what was read is stable.
    this.#endOffset = Math.max(answer.lastStableOffset, position)
    this.#askedAtMs = atMs
    const added = this.#add(answer, position, atMs)
    if (added === 'damaged') return
    if (added !== undefined) this.#moveTo(added.next, added.leaderEpoch)
    else if (position >= answer.lastStableOffset) this.#emptyMs = performance.now()
    // Nothing at all came, though its place in the request promised a batch: nothing is left below the end offset.
    else if (first && answer.records.length === 0) this.#skipTo(answer.lastStableOffset)
    else this.#starved = true
    this.#wake()
  }

  led(leaderEpoch: number): void {
    this.#leaderEpoch = leaderEpoch
  }

  startsAt(start: Offset, endOffset: Offset, askedAtMs: number): void {
    this.#endOffset = endOffset
    this.#askedAtMs = askedAtMs
    if (start > this.#fetchPosition) this.#skipTo(start)
    this.#wake()
  }

  fail(error: LogfoldError): void {
    this.#failure ??= error
    this.#options.fetcher.remove(this)
    this.#wake()
  }

  #skipTo(next: Offset): void {
    this.#ahead.skip({ from: this.#fetchPosition, next, leaderEpoch: this.#leaderEpoch }, this.#endOffset, this.#askedAtMs)
    this.#moveTo(next, this.#leaderEpoch)
  }

  #moveTo(next: Offset, leaderEpoch: number): void {
    this.#fetchPosition = next
    this.#lastEpoch = Math.max(this.#lastEpoch, leaderEpoch)
    this.#starved = false
  }

  #take(): Stretch | undefined {
    try {
      const stretch = this.#ahead.take(this.#options.tombstonesKeptMs())
      if (stretch === undefined) return undefined
      this.#position = stretch.next
      this.#corrupt = 0
      this.#options.fetcher.wake(this)
      return stretch
    } catch (error) {
      this.#fetchAgain(error)
      return undefined
    }
  }

  #add(answer: FetchedPartition, position: Offset, atMs: number): Reached | 'damaged' | undefined {
    try {
      return this.#ahead.add(answer, position, atMs)
    } catch (error) {
      this.#fetchAgain(error)
      this.#wake()
      return 'damaged'
    }
  }

  #nothing(): Ahead {
    return new Ahead(this.partition, `${this.topic.name} ${this.partition}`)
  }

  /** Bytes may have been damaged on the way; anything else stays as it is. */
  #fetchAgain(cause: unknown): void {
    if (!(cause instanceof DamagedBatch) || ++this.#corrupt >= CORRUPT_TRIES_MAX) this.fail(unreadable(cause))
    this.#ahead = this.#nothing()
    this.#fetchPosition = this.#position
    this.#options.fetcher.wake(this)
  }

  #empty(): Stretch {
    return this.#ahead.empty(this.#position, this.#endOffset, this.#askedAtMs, this.#options.tombstonesKeptMs())
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  #assertReadable(): void {
    if (this.#closed) throw new LogfoldError('closed', 'The log reader was closed')
    if (this.#failure !== undefined && this.#ahead.isEmpty) throw this.#failure
  }
}

function unreadable(cause: unknown): LogfoldError {
  if (isLogfoldError(cause)) return cause
  const remedy = "The broker's disk may be damaged: bring the partition back from another replica, then start logfold again"
  return new LogfoldError('log-corrupt', `${messageOf(cause)}, and so ${CORRUPT_TRIES_MAX} times`, { remedy, cause })
}
