import type { Captured } from './capture.ts'
import { type KeySpace, seqOf, writtenValue } from './keys.ts'
import type { Ledger } from './ledger.ts'

export const TOMBSTONE = -1

/** One key's records, in the order of its partition. */
export interface KeyHistory {
  readonly partition: number
  readonly offsets: number[]
  /** The number in the value, or TOMBSTONE. */
  readonly seqs: number[]
  readonly timesMs: number[]
}

export interface Bad {
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** What another client saw of the topic, by key. */
export class History {
  readonly byKey = new Map<string, KeyHistory>()
  /** Records that nobody can fold. */
  readonly bad: Bad[] = []
  readonly violations: string[] = []
  /** Offsets that compaction removed before they were read. */
  holes = 0
  records = 0
  readonly #keyAt = new Map<string, string>()
  /** By the number in a value: its index among its key's records. */
  readonly #indexOf = new Map<number, number>()

  constructor(partitions: readonly (readonly Captured[])[], ledger: Ledger, keys: Pick<KeySpace, 'has'>) {
    for (const records of partitions) {
      let next = records[0]?.offset ?? 0
      for (const record of records) {
        this.holes += record.offset - next
        next = record.offset + 1
        this.records++
        const key = record.key?.toString()
        if (key === undefined || !keys.has(key)) this.bad.push(record)
        else this.#take(key, record, ledger)
      }
    }
  }

  /** The key of the record at a place. */
  keyAt(partition: number, offset: number): string | undefined {
    return this.#keyAt.get(`${partition}:${offset}`)
  }

  /** Where a value stands among its key's records; undefined: it isn't there. */
  indexOf(seq: number): number | undefined {
    return this.#indexOf.get(seq)
  }

  /** The last record of each key that isn't deleted. */
  fold(ledger: Ledger): Map<string, string> {
    const entries = new Map<string, string>()
    for (const [key, { seqs }] of this.byKey) {
      const seq = seqs.at(-1) ?? TOMBSTONE
      const write = ledger.writes[seq]
      if (write !== undefined) entries.set(key, writtenValue(key, write.writer, seq))
    }
    return entries
  }

  #take(key: string, { partition, offset, timestampMs, value }: Captured, ledger: Ledger): void {
    const seq = value === null ? TOMBSTONE : seqOf(value.toString())
    const write = seq === undefined || seq === TOMBSTONE ? undefined : ledger.writes[seq]
    const isTheirs = write !== undefined && write.key === key && !write.deletes && value?.toString() === writtenValue(key, write.writer, write.seq)
    if (seq === undefined || (value !== null && !isTheirs)) {
      this.violations.push(`${partition}:${offset} of ${key} holds what nobody wrote: ${value?.toString().slice(0, 300)}`)
      return
    }
    this.#keyAt.set(`${partition}:${offset}`, key)
    const history = this.byKey.get(key)
    if (seq !== TOMBSTONE) this.#indexOf.set(seq, history?.offsets.length ?? 0)
    if (history === undefined) this.byKey.set(key, { partition, offsets: [offset], seqs: [seq], timesMs: [timestampMs] })
    else {
      if (history.partition !== partition) this.violations.push(`${key} has records in partitions ${history.partition} and ${partition}`)
      history.offsets.push(offset)
      history.seqs.push(seq)
      history.timesMs.push(timestampMs)
    }
  }
}

/** The index of the last record at or below an offset; -1: there is none. */
export function lastAt(offsets: readonly number[], offset: number): number {
  let low = 0
  let high = offsets.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((offsets[middle] ?? 0) <= offset) low = middle + 1
    else high = middle
  }
  return low - 1
}
