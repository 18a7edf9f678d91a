import type { NewRecord, Offset } from '../../src/model/record.ts'
import { ownerOf } from './backend.ts'
import { Chronicle } from './chronicle.ts'
import type { Copy } from './disk.ts'
import { History } from './history.ts'
import type { LogRecord } from './log-topic.ts'
import type { SimShard, Watcher } from './shard.ts'

/** How far back a read may lawfully go, as of when it began. */
export interface Since {
  readonly id: string
  readonly partition: number
  /** By the number of the generation that it is answered from. */
  readonly of: ReadonlyMap<number, { readonly key: string; readonly low: Offset; readonly restores: number }>
}

/** What a copy has come to, as the judge saw it. */
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
  readonly chronicle: Chronicle
  readonly #partitionOf: (key: Uint8Array) => number
  /** By server and name of the generation. */
  readonly #seen = new Map<string, Seen>()
  readonly #ends: Offset[]
  #violation: string | undefined
  #restores = 0
  /** Told each time that a generation is taken away from a server. */
  onDropping: (name: string) => void = () => undefined

  constructor(partitions: number, partitionOf: (key: Uint8Array) => number) {
    this.chronicle = new Chronicle(what => this.violated(what))
    this.#partitionOf = partitionOf
    this.histories = Array.from({ length: partitions }, () => new History())
    this.#ends = Array(partitions).fill(0)
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
  written(shard: SimShard, name: string, partition: number | 'all'): void {
    if (partition === 'all') {
      this.#opened(shard, name)
      this.#checkCopy(shard, name)
    } else this.#check(shard, name, shard.disk.at(name), partition)
  }

  /** What was taken away from a server never comes back there, unless somebody brought back what the server knew before. */
  #opened(shard: SimShard, name: string): void {
    const { chronicle } = this
    if (!chronicle.made.has(name)) this.violated(`shard ${shard.name} is opened for ${name}, which no command made`)
    if (shard.forgot.has(name)) return
    const dropped = [...shard.disk.dropped.values()].includes(name)
    if (dropped || !chronicle.there.includes(name)) this.violated(`${name} comes back on ${shard.name}, where it was taken away`)
  }

  told(shard: SimShard, name: string, vouched: readonly Offset[]): void {
    const copy = shard.disk.at(name)
    for (const [partition, position] of vouched.entries()) {
      const written = copy.checkpoints.get(partition)?.vouched ?? 0
      if (position > written)
        this.violated(`shard ${shard.name} tells a reader that it vouches for ${position} of partition ${partition}; it does for ${written}`)
    }
  }

  marked(shard: SimShard, name: string, endOffsets: readonly Offset[]): void {
    const copy = shard.disk.at(name)
    for (const [partition, end] of endOffsets.entries()) {
      const { vouched } = copy.checkpoints.get(partition) ?? { vouched: 0 }
      if (vouched < end) this.violated(`shard ${shard.name} is marked as filled up to ${end} of partition ${partition}, and vouches for ${vouched}`)
    }
    this.#checkCopy(shard, name)
  }

  dropping(shard: SimShard, name: string): void {
    if (this.chronicle.there.includes(name) && !this.chronicle.leaves(name))
      this.violated(`${name} is taken away from ${shard.name}, and doesn't leave`)
    this.onDropping(name)
  }

  checkAll(shard: SimShard): void {
    for (const name of shard.disk.copies.keys()) this.#checkCopy(shard, name)
  }

  #checkCopy(shard: SimShard, name: string): void {
    const copy = shard.disk.at(name)
    for (const partition of this.histories.keys()) this.#check(shard, name, copy, partition)
    for (const id of copy.values.keys()) {
      const partition = this.#partitionOf(Buffer.from(id))
      if (ownerOf(this.chronicle.ring(name), id) !== shard.name)
        this.violated(`shard ${shard.name} holds ${id} of ${name}, which belongs to another shard`)
      if (!this.history(partition).ids.has(id)) this.violated(`shard ${shard.name} holds ${id}, which was never written`)
    }
  }

  /** A shard was emptied, opened anew, or an older state of it brought back. */
  tampered(shard: SimShard, how: 'emptied' | 'restored'): void {
    for (const name of this.chronicle.made.keys()) {
      const copy = shard.disk.at(name)
      const seen = this.#seenOf(keyOf(shard.name, name))
      seen.positions.clear()
      // Who brought back an empty server, or one where it was never opened, has emptied it.
      if (how === 'emptied' || copy.identity === undefined) continue
      // Without a checkpoint nobody can tell how old it is.
      const back = new Map([...this.histories.keys()].map(partition => [partition, copy.checkpoints.get(partition)?.vouched ?? 0]))
      seen.restored.push(back)
      this.#restores++
      for (const [partition, vouched] of back) seen.floors.set(partition, Math.min(vouched, seen.floors.get(partition) ?? vouched))
    }
    this.checkAll(shard)
  }

  /** How often an older state was brought back. */
  get restores(): number {
    return this.#restores
  }

  begin(id: string): Since {
    const partition = this.#partitionOf(Buffer.from(id))
    const of = [...this.chronicle.made].map(([name, { number, shards }]) => {
      const key = keyOf(ownerOf(shards, id), name)
      const { floors, restored } = this.#seenOf(key)
      return [number, { key, low: floors.get(partition) ?? 0, restores: restored.length }] as const
    })
    return { id, partition, of: new Map(of) }
  }

  /** The lowest that an answer of a generation may stand for that was asked for then. */
  lowest({ partition, of }: Since, generation: number): Offset {
    const since = of.get(generation)
    if (since === undefined) return 0
    const { low, restores } = since
    const { restored } = this.#seenOf(since.key)
    return Math.min(low, ...restored.slice(restores).map(back => back.get(partition) ?? 0))
  }

  /** Whether no older state of the generation was brought back since. */
  untouched({ of }: Since, generation: number): boolean {
    const since = of.get(generation)
    return since !== undefined && this.#seenOf(since.key).restored.length === since.restores
  }

  /** The highest position that the shard of a generation which owns the id has ever vouched for. */
  peak({ id, partition }: Since, generation: number): Offset {
    const [name, made] = [...this.chronicle.made].find(([, { number }]) => number === generation) ?? []
    if (name === undefined || made === undefined) return 0
    return this.#seenOf(keyOf(ownerOf(made.shards, id), name)).peaks.get(partition) ?? 0
  }

  #check(shard: SimShard, generation: string, copy: Copy, partition: number): void {
    const name = `${shard.name} of ${generation}`
    const checkpoint = copy.checkpoints.get(partition)
    if (copy.identity === undefined || checkpoint === undefined) return
    const { position, vouched } = checkpoint
    const history = this.history(partition)
    if (vouched > position || position > this.end(partition)) {
      this.violated(`shard ${name} stands at ${position} of partition ${partition}, vouches for ${vouched}, and the end is ${this.end(partition)}`)
    }
    // A shard that is filled never gives less than it gave before; what it vouches for may become less, as lanes meet.
    const floor = copy.filled ? (this.#seenOf(keyOf(shard.name, generation)).floors.get(partition) ?? 0) : 0
    if (position < floor) this.violated(`shard ${name} is filled at ${position} of partition ${partition}, where it had vouched for ${floor}`)
    for (const id of history.ids.keys()) {
      if (ownerOf(this.chronicle.ring(generation), id) !== shard.name) continue
      const value = copy.values.get(id)
      if (history.fits(id, value, Math.max(vouched, floor), position)) continue
      const where = `of partition ${partition} at ${position}, vouching for ${vouched}`
      this.violated(`shard ${name} has ${id} = ${value ?? 'nothing'} ${where}; the log says ${history.describe(id)}`)
    }
    this.#moved(name, this.#seenOf(keyOf(shard.name, generation)), copy, partition)
  }

  #moved(name: string, seen: Seen, copy: Copy, partition: number): void {
    const { position = 0, vouched = 0 } = copy.checkpoints.get(partition) ?? {}
    const before = seen.positions.get(partition) ?? 0
    const emptied = position === 0 && copy.values.size === 0
    if (position < before && !emptied)
      this.violated(`the checkpoint of partition ${partition} on shard ${name} went back from ${before} to ${position}`)
    seen.positions.set(partition, position)
    seen.peaks.set(partition, Math.max(vouched, seen.peaks.get(partition) ?? 0))
    if (copy.filled) seen.floors.set(partition, Math.max(vouched, seen.floors.get(partition) ?? 0))
  }

  #seenOf(key: string): Seen {
    const seen = this.#seen.get(key) ?? { positions: new Map(), floors: new Map(), peaks: new Map(), restored: [] }
    this.#seen.set(key, seen)
    return seen
  }
}

const keyOf = (server: string, generation: string): string => `${server}/${generation}`

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
