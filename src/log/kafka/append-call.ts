import type { AppendOutcome } from '../../model/log.ts'
import type { NewRecord } from '../../model/record.ts'
import type { PartitionQueue } from './partition-queue.ts'

/** Stands where a record has no outcome yet; never told. */
const OPEN: AppendOutcome = { kind: 'not-sent', cause: 'no outcome yet' }

/** One call of `append`: answered once each of its records has an outcome. */
export class AppendCall {
  readonly records: readonly NewRecord[]
  /** One a partition. */
  readonly shares: Share[] = []
  /** What its records take of the room for all that wait. */
  bytes = 0
  readonly #outcomes: AppendOutcome[]
  readonly #onAnswer: (outcomes: readonly AppendOutcome[]) => void
  #open: number

  constructor(records: readonly NewRecord[], onAnswer: (outcomes: readonly AppendOutcome[]) => void) {
    this.records = records
    this.#outcomes = new Array<AppendOutcome>(records.length).fill(OPEN)
    this.#open = records.length
    this.#onAnswer = onAnswer
  }

  get answered(): boolean {
    return this.#open === 0
  }

  /** @param place of the record in the call. Only the first outcome of a record counts. */
  tell(place: number, outcome: AppendOutcome): void {
    if (this.#outcomes[place] !== OPEN) return
    this.#outcomes[place] = outcome
    this.#open--
    if (this.#open === 0) this.#onAnswer(this.#outcomes)
  }
}

/** The records of one call that go to one partition, in order: told below `from`, in the partition's batch from `from`, queued from `next`. */
export class Share {
  readonly call: AppendCall
  readonly partition: PartitionQueue
  /** Of its records in the call. Cut short where those queued are told that they aren't sent. */
  readonly places: number[] = []
  from = 0
  next = 0
  /** What its records in the batch are told no longer matters: they were told already. */
  dead = false
  /** Neighbours in the queue. */
  before: Share | undefined
  after: Share | undefined

  constructor(call: AppendCall, partition: PartitionQueue) {
    this.call = call
    this.partition = partition
  }

  get inBatch(): boolean {
    return this.from < this.next
  }

  tellBatch(outcome: AppendOutcome): void {
    for (let at = this.from; at < this.next; at++) this.call.tell(this.places[at] ?? -1, outcome)
  }

  tellAppended(firstOffset: number): void {
    for (let at = this.from; at < this.next; at++) {
      this.call.tell(this.places[at] ?? -1, { kind: 'appended', offset: firstOffset + at - this.from })
    }
  }
}

/** Shares in the order of their calls. A list linked through the shares, as a deadline takes one out of the middle. */
export class ShareQueue {
  first: Share | undefined
  last: Share | undefined

  /** Behind all others. */
  push(share: Share): void {
    share.before = this.last
    if (this.last === undefined) this.first = share
    else this.last.after = share
    this.last = share
  }

  /** Before all others; stays where it is if it's there already. */
  unshift(share: Share): void {
    if (this.first === share) return
    share.after = this.first
    if (this.first === undefined) this.last = share
    else this.first.before = share
    this.first = share
  }

  /** Does nothing where it isn't queued. */
  remove(share: Share): void {
    if (share.before === undefined && this.first !== share) return
    if (share.before === undefined) this.first = share.after
    else share.before.after = share.after
    if (share.after === undefined) this.last = share.before
    else share.after.before = share.before
    share.before = undefined
    share.after = undefined
  }
}
