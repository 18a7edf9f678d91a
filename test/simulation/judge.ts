import type { NewRecord, Offset } from '../../src/model/record.ts'
import { ownerOf } from './backend.ts'
import { History } from './history.ts'
import type { LogRecord } from './log-topic.ts'
import type { SimShard, Watcher } from './shard.ts'

/** How far back a read may lawfully go, as of when it began. */
export interface Since {
  readonly shard: string
  readonly partition: number
  readonly low: Offset
  readonly restores: number
}

/** What a shard has come to, as the judge saw it. */
interface Seen {
  /** The last positions, one a partition. */
  readonly positions: Map<number, Offset>
  /** What was vouched for when it was last filled: reads give at least that. */
  readonly floors: Map<number, Offset>
  /** The highest that was ever vouched for. */
  readonly peaks: Map<number, Offset>
  /** How often an older state was brought back, and to where. */
  readonly restored: Map<number, Offset>[]
}

/**
 * Knows the truth, which is all that was ever appended, and compares. The first difference is the violation; it ends the seed.
 */
export class Judge implements Watcher {
  readonly histories: readonly History[]
  readonly #shards: readonly string[]
  readonly #partitionOf: (key: Uint8Array) => number
  readonly #seen = new Map<string, Seen>()
  readonly #ends: Offset[]
  #violation: string | undefined

  constructor(shards: readonly string[], partitions: number, partitionOf: (key: Uint8Array) => number) {
    this.#shards = shards
    this.#partitionOf = partitionOf
    this.histories = Array.from({ length: partitions }, () => new History())
    this.#ends = Array(partitions).fill(0)
    for (const shard of shards) this.#seen.set(shard, { positions: new Map(), floors: new Map(), peaks: new Map(), restored: [] })
  }

  get violation(): string | undefined {
    return this.#violation
  }

  violated(what: string): void {
    this.#violation ??= what
  }

  appended(partition: number, offset: Offset, { key, value }: NewRecord): void {
    const id = idOf(key)
    this.#ends[partition] = offset + 1
    const does = id === undefined || (value !== null && !isJson(value)) ? 'nothing' : value === null ? 'del' : 'set'
    this.history(partition).add(offset, id, does, does === 'set' && value !== null ? Buffer.from(value).toString() : undefined)
  }

  removed(partition: number, { key, offset }: LogRecord, nowMs: number): void {
    const id = idOf(key)
    this.history(partition).removedAtMs.set(offset, nowMs)
    if (id !== undefined) this.history(partition).compacted.add(id)
  }

  history(partition: number): History {
    const history = this.histories[partition]
    if (history === undefined) throw new Error(`There is no partition ${partition}`)
    return history
  }

  end(partition: number): Offset {
    return this.#ends[partition] ?? 0
  }

  /** A shard has written: is it what it vouches for, and has no checkpoint gone back? */
  written(shard: SimShard, partition: number | 'all'): void {
    if (partition !== 'all') this.#check(shard, partition)
    else this.checkAll(shard)
  }

  told(shard: SimShard, vouched: readonly Offset[]): void {
    for (const [partition, position] of vouched.entries()) {
      const written = shard.disk.checkpoints.get(partition)?.vouched ?? 0
      if (position > written)
        this.violated(`shard ${shard.name} tells a reader that it vouches for ${position} of partition ${partition}; it does for ${written}`)
    }
  }

  marked(shard: SimShard, endOffsets: readonly Offset[]): void {
    for (const [partition, end] of endOffsets.entries()) {
      const { vouched } = shard.disk.checkpoints.get(partition) ?? { vouched: 0 }
      if (vouched < end) this.violated(`shard ${shard.name} is marked as filled up to ${end} of partition ${partition}, and vouches for ${vouched}`)
    }
    this.checkAll(shard)
  }

  checkAll(shard: SimShard): void {
    for (const partition of this.histories.keys()) this.#check(shard, partition)
    for (const id of shard.disk.values.keys()) {
      const partition = this.#partitionOf(Buffer.from(id))
      if (ownerOf(this.#shards, id) !== shard.name) this.violated(`shard ${shard.name} holds ${id}, which belongs to another shard`)
      if (!this.history(partition).ids.has(id)) this.violated(`shard ${shard.name} holds ${id}, which was never written`)
    }
  }

  /** A shard was emptied, opened anew, or an older state of it brought back. */
  tampered(shard: SimShard, how: 'emptied' | 'restored'): void {
    const seen = this.#seenOf(shard.name)
    seen.positions.clear()
    if (how === 'restored') {
      // Without a checkpoint nobody can tell how old it is.
      const back = new Map([...this.histories.keys()].map(partition => [partition, shard.disk.checkpoints.get(partition)?.vouched ?? 0]))
      seen.restored.push(back)
      for (const [partition, vouched] of back) seen.floors.set(partition, Math.min(vouched, seen.floors.get(partition) ?? vouched))
    }
    this.checkAll(shard)
  }

  begin(id: string): Since {
    const partition = this.#partitionOf(Buffer.from(id))
    const shard = ownerOf(this.#shards, id)
    const { floors, restored } = this.#seenOf(shard)
    return { shard, partition, low: floors.get(partition) ?? 0, restores: restored.length }
  }

  /** The lowest that an answer may stand for that was asked for then. */
  lowest({ shard, partition, low, restores }: Since): Offset {
    const { restored } = this.#seenOf(shard)
    return Math.min(low, ...restored.slice(restores).map(back => back.get(partition) ?? 0))
  }

  /** Whether no older state was brought back since. */
  untouched({ shard, restores }: Since): boolean {
    return this.#seenOf(shard).restored.length === restores
  }

  /** The highest position that the shard has ever vouched for. */
  peak({ shard, partition }: Since): Offset {
    return this.#seenOf(shard).peaks.get(partition) ?? 0
  }

  #check(shard: SimShard, partition: number): void {
    const { disk, name } = shard
    const checkpoint = disk.checkpoints.get(partition)
    if (disk.identity === undefined || checkpoint === undefined) return
    const { position, vouched } = checkpoint
    const history = this.history(partition)
    if (vouched > position || position > this.end(partition)) {
      this.violated(`shard ${name} stands at ${position} of partition ${partition}, vouches for ${vouched}, and the end is ${this.end(partition)}`)
    }
    // A shard that is filled never gives less than it gave before; what it vouches for may become less, as lanes meet.
    const floor = disk.filled ? (this.#seenOf(name).floors.get(partition) ?? 0) : 0
    if (position < floor) this.violated(`shard ${name} is filled at ${position} of partition ${partition}, where it had vouched for ${floor}`)
    for (const id of history.ids.keys()) {
      if (ownerOf(this.#shards, id) !== name) continue
      const value = disk.values.get(id)
      if (history.fits(id, value, Math.max(vouched, floor), position)) continue
      const where = `of partition ${partition} at ${position}, vouching for ${vouched}`
      this.violated(`shard ${name} has ${id} = ${value ?? 'nothing'} ${where}; the log says ${history.describe(id)}`)
    }
    this.#moved(shard, partition, position, vouched)
  }

  #moved({ name, disk }: SimShard, partition: number, position: Offset, vouched: Offset): void {
    const seen = this.#seenOf(name)
    const before = seen.positions.get(partition) ?? 0
    const emptied = position === 0 && disk.values.size === 0
    if (position < before && !emptied)
      this.violated(`the checkpoint of partition ${partition} on shard ${name} went back from ${before} to ${position}`)
    seen.positions.set(partition, position)
    seen.peaks.set(partition, Math.max(vouched, seen.peaks.get(partition) ?? 0))
    if (disk.filled) seen.floors.set(partition, Math.max(vouched, seen.floors.get(partition) ?? 0))
  }

  #seenOf(shard: string): Seen {
    const seen = this.#seen.get(shard)
    if (seen === undefined) throw new Error(`There is no shard ${shard}`)
    return seen
  }
}

/** The id that a key is, by rules of the judge's own. Undefined: none. */
function idOf(key: Uint8Array | null): string | undefined {
  if (key === null || key.length === 0) return undefined
  const text = Buffer.from(key).toString()
  return Buffer.from(text).equals(key) ? text : undefined
}

function isJson(value: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(value).toString())
    return true
  } catch {
    return false
  }
}
