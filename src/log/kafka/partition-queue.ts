import { LogfoldError } from '../../model/errors.ts'
import type { Topic } from '../../model/log.ts'
import type { Offset } from '../../model/record.ts'
import { type AppendCall, Share, ShareQueue } from './append-call.ts'
import { type Batch, cutBatch, firstBatchBytes } from './batch.ts'
import { RECORD_OVERHEAD_BYTES } from './overhead.ts'
import type { Numbering } from './producer-ids.ts'
import type { AppendOutcome } from './wire/errors.ts'

const BATCH_BYTES_MAX = 1024 * 1024

/** What came of one attempt to send a batch. */
export type Attempt =
  | { readonly kind: 'appended'; readonly baseOffset: Offset }
  | { readonly kind: Exclude<AppendOutcome, 'appended'>; readonly detail: string }

/**
 * What is appended to one partition: a queue, and one batch that was cut from its front. The states, and what leaves them, are those of SPEC.md
 * (Writing): idle has no batch. It knows nothing of time and of brokers; `Sender` drives it.
 */
export class PartitionQueue {
  readonly topic: Topic
  readonly partition: number
  readonly #queue = new ShareQueue()
  readonly #bytesMax: number
  #batch: Batch | undefined
  #numbering: Numbering | undefined
  /** The producer id that can't be gone on with. */
  #spentId: number | undefined
  /** At most so many records a batch: halved when one was too large, doubled when one went. */
  #recordsMax = Number.POSITIVE_INFINITY
  #problem: string | undefined

  constructor(topic: Topic, partition: number) {
    this.topic = topic
    this.partition = partition
    this.#bytesMax = Math.min(topic.recordBytesMax + RECORD_OVERHEAD_BYTES, BATCH_BYTES_MAX)
  }

  /** Whether a request that holds its batch is on the wire. */
  get sent(): boolean {
    return this.#batch?.sent === true
  }

  /** Whether there is anything to send. */
  get waiting(): boolean {
    return this.#batch === undefined ? this.#queue.first !== undefined : !this.#batch.sent
  }

  /** What went wrong last, since a batch was acknowledged. */
  get problem(): string | undefined {
    return this.#problem
  }

  get numbered(): boolean {
    return this.#numbering !== undefined
  }

  get spentId(): number | undefined {
    return this.#spentId
  }

  /** Of the batch that `take` gives, at most. */
  get nextBytesMax(): number {
    return this.#batch?.bytes.length ?? Math.max(this.#bytesMax, firstBatchBytes(this.#queue))
  }

  renumber(numbering: Numbering): void {
    if (this.#batch !== undefined) throw new LogfoldError('internal', 'A batch under way keeps its numbers')
    this.#numbering = numbering
  }

  hinder(problem: string): void {
    this.#problem = problem
  }

  push(call: AppendCall, place: number): void {
    let share = this.#queue.last
    if (share?.call !== call) {
      share = new Share(call, this)
      this.#queue.push(share)
      call.shares.push(share)
    }
    share.places.push(place)
  }

  /** The batch under way, or one cut from the queue; it is on the wire from now on, until `settle`. */
  take(nowMs: number): Batch {
    if (!this.waiting) throw new LogfoldError('internal', 'Nothing waits to be sent')
    if (this.#numbering === undefined) throw new LogfoldError('internal', 'A batch needs a producer id')
    this.#batch ??= cutBatch(this.#queue, this.#numbering, { bytesMax: this.#bytesMax, recordsMax: this.#recordsMax }, nowMs)
    this.#batch.sent = true
    return this.#batch
  }

  /** @returns whether to wait before going on */
  settle(attempt: Attempt): boolean {
    const batch = this.#batch
    if (batch === undefined || !batch.sent) throw new LogfoldError('internal', 'No batch is on the wire')
    batch.sent = false
    if (attempt.kind === 'appended' && attempt.baseOffset >= 0) {
      this.#acknowledge(batch, attempt.baseOffset)
      return false
    }
    const detail = attempt.kind === 'appended' ? 'the broker tells no offset' : attempt.detail
    this.#problem = detail
    switch (attempt.kind) {
      case 'uncertain':
        batch.uncertain = true
        this.#giveUpIfDead(batch)
        return true
      case 'not-appended':
        if (batch.uncertain) this.#giveUpIfDead(batch)
        else if (batch.alive < batch.shares.length) this.#dissolve(batch)
        return true
      case 'sequence':
        if (batch.uncertain) this.#endUnknown(batch, detail)
        else this.#outOfSequence(batch)
        return true
      case 'too-large':
        if (batch.uncertain) return this.#endUncertain(batch, detail)
        this.#tooLarge(batch, detail)
        return false
      case 'refused':
        if (batch.uncertain) return this.#endUncertain(batch, detail)
        this.#end(batch, { kind: 'refused', cause: new LogfoldError('invalid-value', `The broker refused it: ${detail}`) })
        return false
      case 'duplicate':
        batch.uncertain = true
        return this.#endUncertain(batch, detail)
      default:
        // On all replicas, at an offset that nobody knows.
        this.#endUnknown(batch, detail)
        return false
    }
  }

  /** The deadline of a call: what isn't in the log for sure is taken out, so that it never comes later. */
  expire(share: Share, cause: LogfoldError): void {
    const batch = this.#batch
    if (batch !== undefined && share.inBatch && !share.dead) {
      if (batch.sent || batch.uncertain) {
        share.tellBatch({ kind: 'unknown', cause })
        share.dead = true
        batch.alive--
        if (!batch.sent) this.#giveUpIfDead(batch)
      } else this.#dissolve(batch)
    }
    this.#drop(share, cause)
  }

  /** Tells all that aren't under way that they aren't sent. */
  fail(cause: LogfoldError): void {
    const batch = this.#batch
    if (batch !== undefined && !batch.sent && !batch.uncertain) this.#dissolve(batch)
    for (let share = this.#queue.first; share !== undefined; share = this.#queue.first) this.#drop(share, cause)
  }

  /** As `fail`, and for a batch that can't be sent again because the topic is another one. */
  abandon(cause: LogfoldError): void {
    this.fail(cause)
    if (this.#batch !== undefined && !this.#batch.sent) this.#endUnknown(this.#batch, cause.message)
  }

  #acknowledge(batch: Batch, baseOffset: Offset): void {
    let offset = baseOffset
    for (const share of batch.shares) {
      const count = share.next - share.from
      if (!share.dead) share.tellAppended(offset)
      share.from = share.next
      offset += count
    }
    this.#batch = undefined
    this.#problem = undefined
    this.#recordsMax *= 2
    this.#numbering?.advance(batch.count)
    // Whatever was given up in an earlier epoch can't land any more, so another id may be taken.
    if (this.#numbering?.worn === true) this.#takeAnotherId()
  }

  /** Not appended, and the sequence stays. */
  #end(batch: Batch, outcome: { readonly kind: 'refused' | 'unknown'; readonly cause: LogfoldError }): void {
    for (const share of batch.shares) {
      if (!share.dead) share.tellBatch(outcome)
      share.from = share.next
    }
    this.#batch = undefined
  }

  /** It may be in the log, or land later. Nothing of a call may come after its own record that nobody knows the end of. */
  #endUnknown(batch: Batch, detail: string): void {
    const cause = new LogfoldError('log-unavailable', `Kafka did not say whether it was written: ${detail}`)
    this.#end(batch, { kind: 'unknown', cause })
    for (const share of batch.shares) this.#drop(share, cause)
    this.#fence()
  }

  /** The next attempt wouldn't tell more; an earlier one may have appended it, or may do so yet. @returns whether to wait before going on */
  #endUncertain(batch: Batch, detail: string): boolean {
    if (this.#endless) return true
    this.#endUnknown(batch, detail)
    return false
  }

  /** In the last epoch an uncertain batch is sent until all replicas have it, as no later epoch can keep it from landing after a later record. */
  get #endless(): boolean {
    return this.#numbering?.usedUp === true
  }

  /** Once nobody waits for it any more. */
  #giveUpIfDead(batch: Batch): void {
    if (batch.alive > 0 || this.#endless) return
    this.#end(batch, { kind: 'unknown', cause: new LogfoldError('log-unavailable', 'Kafka did not answer in time') })
    this.#fence()
  }

  /** The next batch goes in an epoch of its own: once that is appended, the broker takes nothing of this one. */
  #fence(): void {
    if (this.#numbering?.usedUp === true) this.#takeAnotherId()
    else this.#numbering?.nextEpoch()
  }

  #takeAnotherId(): void {
    this.#spentId = this.#numbering?.producerId
    this.#numbering = undefined
  }

  /**
   * The broker knows other numbers than we do: it has lost records, say. A new epoch begins at 0 whatever the broker knows, and keeps out what was
   * given up. A broker that refuses even that has a later epoch, or this one, on record: then all earlier ones are kept out already.
   */
  #outOfSequence(batch: Batch): void {
    this.#dissolve(batch)
    if (this.#numbering?.sequence === 0) this.#takeAnotherId()
    else this.#fence()
  }

  #tooLarge(batch: Batch, detail: string): void {
    if (batch.count > 1) {
      this.#recordsMax = Math.ceil(batch.count / 2)
      this.#dissolve(batch)
    } else this.#end(batch, { kind: 'refused', cause: new LogfoldError('too-large', `The broker refused it: ${detail}`) })
  }

  /** A batch that wasn't appended for sure goes back to the front of the queue, less what was told already. */
  #dissolve(batch: Batch): void {
    this.#batch = undefined
    for (let at = batch.shares.length - 1; at >= 0; at--) {
      const share = batch.shares[at]
      if (share === undefined || share.dead) continue
      share.next = share.from
      this.#queue.unshift(share)
    }
  }

  /** Tells that the queued records of a share aren't sent. */
  #drop(share: Share, cause: LogfoldError): void {
    this.#queue.remove(share)
    for (let at = share.next; at < share.places.length; at++) share.call.tell(share.places[at] ?? -1, { kind: 'not-sent', cause })
    share.places.length = share.next
  }
}
