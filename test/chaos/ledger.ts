import { seqOf, writtenValue } from './keys.ts'

/**
 * What a client was told of a write.
 * - acknowledged: it is in the log; at `place`, where the client was told.
 * - unknown: it may be there, once.
 * - refused: it isn't there.
 */
export type Outcome = 'acknowledged' | 'unknown' | 'refused'

const SAMPLES_MAX = 20

export interface Place {
  readonly partition: number
  readonly offset: number
}

export interface Write {
  /** Its place in the ledger, and a part of its value. */
  readonly seq: number
  readonly key: string
  readonly deletes: boolean
  readonly writer: string
  /** Of the process it was sent to; 0: straight to Kafka. */
  readonly pid: number
  readonly sentMs: number
  answeredMs: number
  outcome: Outcome
  /** Status and code, or what kept the answer from coming. */
  told: string
  place: Place | undefined
}

/** An entry, or its absence, in an answer. */
export interface ReadEntry {
  readonly view: string
  readonly api: string
  readonly how: string
  readonly key: string
  /** The number in its value; -1: it wasn't there. */
  readonly seq: number
  /** What `Logfold-After` said of the key's partition; -1: nothing, or there was no such header. */
  readonly after: number
  readonly header: string | undefined
  readonly askedMs: number
  readonly answeredMs: number
}

/** What was written, what was answered, what was read: kept outside of all that is judged. */
export class Ledger {
  readonly writes: Write[] = []
  readonly reads: ReadEntry[] = []
  /** By what was asked, and the answer: `GET 200`, `PUT 503 log-unavailable`. */
  readonly counts = new Map<string, number>()
  /** What is wrong whatever the topic says. */
  readonly violations: string[] = []
  /** Last acknowledged place of each key. */
  readonly #lastOfKey = new Map<string, Place>()
  readonly #lastOfPartition = new Map<number, number>()
  readonly #partitionOfKey = new Map<string, number>()
  acknowledged = 0
  /** Of answers that aren't what a client hopes for. */
  readonly samples: string[] = []
  readonly #written: (value: string) => string

  /** @param written of a value that was read, what was written, where the view has a projection */
  constructor(written: (value: string) => string = value => value) {
    this.#written = written
  }

  begin(key: string, deletes: boolean, writer: string, pid: number): Write {
    const sentMs = Date.now()
    const write: Write = {
      seq: this.writes.length,
      key,
      deletes,
      writer,
      pid,
      sentMs,
      answeredMs: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      told: '',
      place: undefined,
    }
    this.writes.push(write)
    return write
  }

  end(write: Write, outcome: Outcome, told: string, place?: Place): void {
    write.answeredMs = Date.now()
    write.outcome = outcome
    write.told = told
    write.place = place
    if (outcome === 'acknowledged') this.acknowledged++
    if (place === undefined) return
    const known = this.#partitionOfKey.get(write.key)
    if (known !== undefined && known !== place.partition) this.violations.push(`${write.key} is in partitions ${known} and ${place.partition}`)
    this.#partitionOfKey.set(write.key, place.partition)
    if (place.offset > (this.#lastOfKey.get(write.key)?.offset ?? -1)) this.#lastOfKey.set(write.key, place)
    if (place.offset > (this.#lastOfPartition.get(place.partition) ?? -1)) this.#lastOfPartition.set(place.partition, place.offset)
  }

  lastOfKey(key: string): Place | undefined {
    return this.#lastOfKey.get(key)
  }

  /** The last acknowledged write in a partition, anybody's. */
  lastOfPartition(partition: number): Place | undefined {
    const offset = this.#lastOfPartition.get(partition)
    return offset === undefined ? undefined : { partition, offset }
  }

  lastOfAll(): readonly Place[] {
    return [...this.#lastOfPartition].map(([partition, offset]) => ({ partition, offset }))
  }

  partitionOf(key: string): number | undefined {
    return this.#partitionOfKey.get(key)
  }

  /** @param sample the answer itself; the first few of each are kept */
  count(what: string, sample?: string): void {
    const count = (this.counts.get(what) ?? 0) + 1
    this.counts.set(what, count)
    if (sample !== undefined && count <= SAMPLES_MAX) this.samples.push(`${new Date().toISOString()} ${what}: ${sample.slice(0, 1_000)}`)
  }

  /** The number in a value that was read, which must be, byte for byte, one that was written to the key. */
  seqIn(key: string, read: string, where: string): number | undefined {
    const value = this.#written(read)
    const seq = seqOf(value)
    const write = seq === undefined ? undefined : this.writes[seq]
    if (write !== undefined && !write.deletes && write.key === key && value === writtenValue(key, write.writer, write.seq)) return seq
    this.violations.push(`${where}: the value of ${key} was never written: ${value.slice(0, 300)}`)
    return undefined
  }
}
