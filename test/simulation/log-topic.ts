import type { Topic, TopicSpec } from '../../src/model/log.ts'
import type { Offset, RecordCursor, Stretch } from '../../src/model/record.ts'
import type { Random } from './random.ts'

export interface LogRecord {
  readonly offset: Offset
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** When compaction first reached it; for tombstones. */
  stampedMs: number | undefined
}

/** One partition as the log has it: records go away where compaction takes them. */
export class LogPartition {
  readonly records: (LogRecord | undefined)[] = []
  tombstonesRemovedTo: Offset = -1
  readonly #waiters = new Set<() => void>()

  get end(): Offset {
    return this.records.length
  }

  append(key: Uint8Array | null, value: Uint8Array | null, nowMs: number): Offset {
    const offset = this.records.length
    this.records.push({ offset, timestampMs: Math.floor(nowMs), key, value, stampedMs: undefined })
    this.wake()
    return offset
  }

  /** Whoever waits for records looks again. */
  wake(): void {
    for (const wake of this.#waiters) wake()
    this.#waiters.clear()
  }

  /** The returned function ends the waiting. */
  onRecord(wake: () => void): () => void {
    this.#waiters.add(wake)
    return () => this.#waiters.delete(wake)
  }

  /**
   * A pass of compaction over what lies below an offset, as Kafka's cleaner and the embedded log do it: of each key only the last record there stays; a tombstone
   * goes with the first pass that comes `retentionMs` after one that met it.
   */
  compact(below: Offset, nowMs: number, retentionMs: number): readonly LogRecord[] {
    const latest = new Map<string, Offset>()
    for (const record of this.records.slice(0, below)) if (record?.key) latest.set(keyText(record.key), record.offset)
    const removed: LogRecord[] = []
    for (const record of this.records.slice(0, below)) {
      if (!record?.key) continue
      const superseded = (latest.get(keyText(record.key)) ?? -1) > record.offset
      const expired = record.value === null && record.stampedMs !== undefined && record.stampedMs + retentionMs <= nowMs
      if (superseded || expired) {
        this.records[record.offset] = undefined
        removed.push(record)
        if (!superseded) this.tombstonesRemovedTo = Math.max(this.tombstonesRemovedTo, record.offset)
      } else if (record.value === null) record.stampedMs ??= nowMs
    }
    return removed
  }
}

const keyText = (key: Uint8Array): string => Buffer.from(key).toString('latin1')

export class SimTopic implements Topic {
  readonly name: string
  readonly id: string
  readonly partitions: number
  readonly recordBytesMax: number
  readonly parts: readonly LogPartition[]

  constructor(spec: TopicSpec, id: string) {
    this.name = spec.name
    this.id = id
    this.partitions = spec.partitions
    this.recordBytesMax = spec.recordBytesMax ?? 1_048_588
    this.parts = Array.from({ length: spec.partitions }, () => new LogPartition())
  }

  part(partition: number): LogPartition {
    const part = this.parts[partition]
    if (part === undefined) throw new Error(`There is no partition ${partition} of ${this.name}`)
    return part
  }
}

export interface Fetch {
  readonly topic: SimTopic
  readonly partition: number
  readonly from: Offset
  readonly askedAtMs: number
  /** Undefined: the log can tell what it removed. */
  readonly tombstonesKeptMs: number | undefined
}

const STRETCH_OFFSETS_MAX = 8

/** What a fetch brings: of any length, with no record at all where compaction left none. */
export function fetchStretch({ topic, partition, from, askedAtMs, tombstonesKeptMs }: Fetch, random: Random): Stretch {
  const part = topic.part(partition)
  const endOffset = part.end
  const next = Math.min(endOffset, from + random.int(1, STRETCH_OFFSETS_MAX))
  const offsets = part.records.slice(from, next)
  const gap = offsets.indexOf(undefined)
  const records = offsets.filter(record => record !== undefined)
  return {
    partition,
    from,
    next,
    endOffset,
    hole: gap < 0 ? undefined : from + gap,
    tombstonesRemovedTo: tombstonesKeptMs === undefined ? part.tombstonesRemovedTo : -1,
    tombstonesKeptMs: tombstonesKeptMs ?? Number.POSITIVE_INFINITY,
    askedAtMs: Math.floor(askedAtMs),
    leaderEpoch: -1,
    bytes: records.length * 32,
    records: () => new Cursor(records),
  }
}

const NOTHING = Buffer.alloc(0)

class Cursor implements RecordCursor {
  readonly #records: readonly LogRecord[]
  #at = 0
  offset: Offset = -1
  timestampMs = 0
  buffer: Uint8Array = NOTHING
  keyStart = 0
  keyEnd = -1
  valueStart = 0
  valueEnd = -1

  constructor(records: readonly LogRecord[]) {
    this.#records = records
  }

  next(): boolean {
    const record = this.#records[this.#at++]
    if (record === undefined) return false
    const key = record.key ?? NOTHING
    const value = record.value ?? NOTHING
    this.offset = record.offset
    this.timestampMs = record.timestampMs
    this.buffer = Buffer.concat([key, value])
    this.keyEnd = record.key === null ? -1 : key.length
    this.valueStart = key.length
    this.valueEnd = record.value === null ? -1 : key.length + value.length
    return true
  }
}
