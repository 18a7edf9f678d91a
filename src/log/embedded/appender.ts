import { setImmediate as turn } from 'node:timers/promises'
import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { AppendOutcome } from '../../model/log.ts'
import type { NewRecord } from '../../model/record.ts'
import type { BatchOutcome } from './append-batch.ts'
import { bytesOf, type NumberedRecord, type PackedRecords, pack } from './packed-records.ts'

/** What shares one fsync, at most; the first record goes whatever its size. */
const COMMIT_RECORDS_MAX = 10_000
const COMMIT_BYTES_MAX = 8 * 1024 * 1024
/** What waits for a commit, at most. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024

/** One call of `append`. Its records go in order: `sent` of them are committed or under way. */
interface Call {
  readonly records: readonly AppendRecord[]
  readonly outcomes: AppendOutcome[]
  readonly resolve: (outcomes: readonly AppendOutcome[]) => void
  readonly timer: NodeJS.Timeout
  sent: number
  answered: boolean
}

/** Either it goes, or it is refused beforehand. */
export type AppendRecord = NumberedRecord | { readonly refused: LogfoldError; readonly record: NewRecord }

/** The records of a call that go into one commit. */
interface Share {
  readonly call: Call
  readonly from: number
  readonly records: readonly NumberedRecord[]
}

export interface AppenderOptions {
  readonly commit: (packed: PackedRecords, durable: boolean) => Promise<BatchOutcome>
  /** A record of this partition number is appended. */
  readonly committed: (number: number, offset: number) => void
}

/**
 * Group commit: while one commit is under way, what arrives gathers, and then goes together. So each fsync serves all that waited for it, nobody
 * waits for company, and the order of the calls is the order in the log.
 */
export class Appender {
  readonly #options: AppenderOptions
  readonly #calls: Call[] = []
  #bytes = 0
  #pump: Promise<void> | undefined
  #closed = false

  constructor(options: AppenderOptions) {
    this.#options = options
  }

  append(records: readonly AppendRecord[], deadlineMs: number): Promise<readonly AppendOutcome[]> {
    if (this.#bytes >= QUEUE_BYTES_MAX) {
      const cause = new LogfoldError('log-unavailable', 'More is being written than the disk takes', { retryAfterMs: 1000 })
      return Promise.resolve(records.map(() => ({ kind: 'not-sent', cause })))
    }
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#expire(call), deadlineMs)
      const call: Call = { records, outcomes: [], resolve, timer, sent: 0, answered: false }
      this.#calls.push(call)
      this.#bytes += sumBytes(records)
      this.#pump ??= this.#run()
    })
  }

  /** What waits is not sent; what is under way ends. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#pump
    const cause = new LogfoldError('closed', 'The log was closed')
    for (const call of [...this.#calls]) this.#answer(call, { kind: 'not-sent', cause })
  }

  async #run(): Promise<void> {
    while (this.#calls.length > 0 && !this.#closed) {
      // What is appended in this turn of the event loop comes along: most often by those that were just answered.
      await turn()
      await this.#commitNext()
    }
    this.#pump = undefined
  }

  async #commitNext(): Promise<void> {
    const shares = this.#takeShares()
    const all = shares.flatMap(share => share.records)
    const outcome = all.length === 0 ? undefined : await this.#commit(all)
    let nth = 0
    for (const { call, from, records } of shares) {
      const numbered = outcome?.kind === 'appended' ? outcome.offsets.subarray(nth, nth + records.length) : undefined
      nth += records.length
      this.#settle(call, from, numbered === undefined ? outcome : { kind: 'appended', offsets: numbered })
    }
  }

  /** From the front of the queue, as much as one commit may take. */
  #takeShares(): readonly Share[] {
    const shares: Share[] = []
    let count = 0
    let bytes = 0
    for (const call of this.#calls) {
      const from = call.sent
      const records: NumberedRecord[] = []
      for (; call.sent < call.records.length; call.sent++) {
        const next = call.records[call.sent]
        if (next === undefined || 'refused' in next) continue
        const recordBytes = bytesOf(next.record)
        if (count > 0 && (count === COMMIT_RECORDS_MAX || bytes + recordBytes > COMMIT_BYTES_MAX)) break
        records.push(next)
        count++
        bytes += recordBytes
      }
      if (call.sent > from || call.records.length === 0) shares.push({ call, from, records })
      if (call.sent < call.records.length) break
    }
    return shares
  }

  async #commit(records: readonly NumberedRecord[]): Promise<BatchOutcome> {
    let outcome: BatchOutcome
    try {
      outcome = await this.#options.commit(
        pack(records),
        records.some(({ durable }) => durable),
      )
    } catch (error) {
      // The thread ended before it answered.
      outcome = { kind: 'unknown', message: messageOf(error) }
    }
    if (outcome.kind !== 'appended') return outcome
    for (const [nth, { number }] of records.entries()) this.#options.committed(number, outcome.offsets[nth] ?? -1)
    return outcome
  }

  /** @param outcome of the records of the call from `from` to `sent`, less the refused ones. Undefined where all were refused. */
  #settle(call: Call, from: number, outcome: BatchOutcome | undefined): void {
    if (call.answered) return
    if (outcome !== undefined && outcome.kind !== 'appended') {
      const cause = new LogfoldError('log-unavailable', `The log file could not be written: ${outcome.message}`, {
        remedy: 'See that the disk has room, and that no other program holds the file locked',
      })
      this.#fill(call, call.sent, { kind: outcome.kind, cause })
      this.#answer(call, { kind: 'not-sent', cause })
      return
    }
    let nth = 0
    for (let at = from; at < call.sent; at++) {
      const record = call.records[at]
      if (record === undefined) continue
      const offset = 'refused' in record ? -1 : (outcome?.offsets[nth++] ?? -1)
      call.outcomes.push('refused' in record ? { kind: 'refused', cause: record.refused } : { kind: 'appended', offset })
    }
    if (call.outcomes.length === call.records.length) this.#answer(call)
  }

  #expire(call: Call): void {
    const cause = new LogfoldError('log-unavailable', 'The log file could not be written in time')
    this.#fill(call, call.sent, { kind: 'unknown', cause })
    this.#answer(call, { kind: 'not-sent', cause })
  }

  /** Gives every record below `until` that has no outcome this one, or that it is refused. */
  #fill(call: Call, until: number, outcome: AppendOutcome): void {
    for (let at = call.outcomes.length; at < until; at++) {
      const record = call.records[at]
      const refused = record !== undefined && 'refused' in record
      call.outcomes.push(refused ? { kind: 'refused', cause: record.refused } : outcome)
    }
  }

  #answer(call: Call, rest?: AppendOutcome): void {
    if (rest !== undefined) this.#fill(call, call.records.length, rest)
    clearTimeout(call.timer)
    call.answered = true
    this.#calls.splice(this.#calls.indexOf(call), 1)
    this.#bytes -= sumBytes(call.records)
    call.resolve(call.outcomes)
  }
}

const sumBytes = (records: readonly AppendRecord[]): number => records.reduce((sum, { record }) => sum + bytesOf(record), 0)
