import { LogfoldError } from '../../src/model/errors.ts'
import type { AppendOutcome, GroupMember, Log, LogReader, LogWriter, Membership, MissingDeletes, Topic, TopicSpec } from '../../src/model/log.ts'
import type { NewRecord, Offset, RecordCursor, Stretch } from '../../src/model/record.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'

/**
 * A log in memory for what the real ones don't do at a word: be away, answer nothing, compact this very record, forget its end, take a partition
 * away. Everything else is tested on the real ones.
 */
export interface ScriptedRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

const APART = Uint8Array.of(0)

export class ScriptedTopic implements Topic {
  readonly name: string
  readonly id: string
  readonly partitions: number
  readonly recordBytesMax: number
  /** In every partition. */
  tombstonesRemovedTo = -1
  /** Undefined: removed by compaction. */
  readonly records: (ScriptedRecord | undefined)[][]

  constructor(spec: TopicSpec, id = `id-of-${spec.name}`) {
    this.name = spec.name
    this.id = id
    this.partitions = spec.partitions
    this.recordBytesMax = spec.recordBytesMax ?? 1_048_588
    this.records = Array.from({ length: spec.partitions }, () => [])
  }

  put(partition: number, key: string | Uint8Array | null, value: string | Uint8Array | null): Offset {
    const records = this.#partition(partition)
    return records.push({ key: bytes(key), value: bytes(value) }) - 1
  }

  remove(partition: number, offset: Offset): void {
    this.#partition(partition)[offset] = undefined
  }

  #partition(partition: number): (ScriptedRecord | undefined)[] {
    const records = this.records[partition]
    if (records === undefined) throw new Error(`There is no partition ${partition}`)
    return records
  }
}

const bytes = (of: string | Uint8Array | null): Uint8Array | null => (typeof of === 'string' ? Buffer.from(of) : of)

export class ScriptedLog implements Log {
  readonly kind = 'scripted'
  readonly logId = 'scripted-log'
  readonly topics = new Map<string, ScriptedTopic>()
  readonly groups = new Map<string, GroupMember>()
  /** Records a stretch holds at most. */
  stretchRecordsMax = 3
  /** What appends are answered with, instead of being done. */
  appendsAnswer: Exclude<AppendOutcome, { kind: 'appended' }> | undefined
  /** Neither end offsets nor what was removed can be asked for. */
  away = false
  #wake = Promise.withResolvers<void>()

  async reach(): Promise<string> {
    this.#assertThere()
    return 'in memory'
  }

  async topic(spec: TopicSpec): Promise<ScriptedTopic> {
    const known = this.topics.get(spec.name)
    if (known !== undefined) return known
    const made = new ScriptedTopic(spec)
    this.topics.set(spec.name, made)
    return made
  }

  /** Another topic under the name, from now on. */
  remake(name: string, id: string): ScriptedTopic {
    const { partitions } = this.#find({ name })
    const made = new ScriptedTopic({ name, partitions, replication: 1, create: true }, id)
    this.topics.set(name, made)
    return made
  }

  async endOffsets(topic: Topic): Promise<readonly Offset[]> {
    this.#assertThere()
    return this.#find(topic).records.map(records => records.length)
  }

  reader(topic: Topic, partition: number, position: Offset): LogReader {
    const scripted = this.#find(topic)
    const records = scripted.records[partition] ?? []
    let at = position
    const closed = Promise.withResolvers<never>()
    closed.promise.catch(() => undefined)
    return {
      next: async waitMs => {
        if (at > records.length) throw new LogfoldError('offset-out-of-range', `position ${at} is beyond the end ${records.length}`)
        if (at === records.length)
          await Promise.race([closed.promise, this.#wake.promise, new Promise(resolve => setTimeout(resolve, Math.min(waitMs, 5)))])
        else await Promise.race([closed.promise, Promise.resolve()])
        const stretch = { ...stretchOf(records, partition, at, this.stretchRecordsMax), tombstonesRemovedTo: scripted.tombstonesRemovedTo }
        at = stretch.next
        return stretch
      },
      close: () => closed.reject(new LogfoldError('closed', 'The reader was closed')),
    }
  }

  writer(topic: Topic): LogWriter {
    const found = this.#find(topic)
    return {
      append: async (records: readonly NewRecord[]) =>
        records.map(record => this.appendsAnswer ?? { kind: 'appended', offset: found.put(record.partition, record.key, record.value) }),
    }
  }

  /** Tells waiting readers that there may be something new. */
  wake(): void {
    this.#wake.resolve()
    this.#wake = Promise.withResolvers()
  }

  async join(group: string, topic: Topic, member: GroupMember): Promise<Membership> {
    this.groups.set(group, member)
    const all = [...Array(topic.partitions).keys()]
    member.assigned(all)
    return {
      leave: async () => {
        if (this.groups.delete(group)) await member.revoked(all)
      },
    }
  }

  async members(group: string): Promise<number> {
    return this.groups.has(group) ? 1 : 0
  }

  async missingDeletes(topic: Topic, _partition: number, since: Pick<Checkpoint, 'position' | 'tombstonesRemovedTo'>): Promise<MissingDeletes> {
    this.#assertThere()
    const { tombstonesRemovedTo } = this.#find(topic)
    return since.position > 0 && tombstonesRemovedTo >= since.position && tombstonesRemovedTo > since.tombstonesRemovedTo ? 'possible' : 'none'
  }

  async close(): Promise<void> {
    this.wake()
  }

  #assertThere(): void {
    if (this.away) throw new LogfoldError('log-unavailable', 'The scripted log is away')
  }

  #find(topic: Pick<Topic, 'name'>): ScriptedTopic {
    const found = this.topics.get(topic.name)
    if (found === undefined) throw new Error(`There is no topic ${topic.name}`)
    return found
  }
}

function stretchOf(records: readonly (ScriptedRecord | undefined)[], partition: number, from: Offset, recordsMax: number): Stretch {
  const next = Math.min(records.length, from + recordsMax)
  const part = records.slice(from, next)
  const gap = part.indexOf(undefined)
  return {
    partition,
    from,
    next,
    endOffset: records.length,
    hole: gap < 0 ? undefined : from + gap,
    tombstonesRemovedTo: -1,
    tombstonesKeptMs: Number.POSITIVE_INFINITY,
    askedAtMs: Date.now(),
    leaderEpoch: -1,
    bytes: part.length,
    records: () => cursorOf(part, from),
  }
}

function cursorOf(part: readonly (ScriptedRecord | undefined)[], from: Offset): RecordCursor {
  let at = -1
  const cursor = {
    offset: 0,
    timestampMs: 1_700_000_000_000,
    buffer: new Uint8Array(),
    keyStart: 0,
    keyEnd: 0,
    valueStart: 0,
    valueEnd: 0,
    next(): boolean {
      at++
      while (at < part.length && part[at] === undefined) at++
      const record = part[at]
      if (record === undefined) return false
      const key = record.key ?? APART
      const value = record.value ?? APART
      cursor.offset = from + at
      cursor.buffer = Buffer.concat([APART, key, value])
      cursor.keyStart = 1
      cursor.keyEnd = record.key === null ? -1 : 1 + key.length
      cursor.valueStart = 1 + key.length
      cursor.valueEnd = record.value === null ? -1 : 1 + key.length + value.length
      return true
    },
  }
  return cursor
}
