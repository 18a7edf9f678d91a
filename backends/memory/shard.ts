import { randomUUID } from 'node:crypto'
import { type Generation, generationName, type Identity, identityDifference, identityOf } from '../../src/model/generation.ts'
import { type Batch, type Checkpoint, type CommandPlace, checkpointZero, type OpenOutcome, type ShardOutcome } from '../../src/model/view-backend.ts'
import { Fence } from './fence.ts'
import { compareUtf8 } from './order.ts'

/** One generation's data on one shard. */
export class Copy {
  readonly identity: Identity
  readonly opening: string
  readonly checkpoints: Checkpoint[]
  filled = false
  readonly #values = new Map<string, Uint8Array>()
  /** Ids in key order; made when a list asks for it, given up when an id comes or goes. */
  #sorted: readonly string[] | undefined

  constructor(identity: Identity, opening: string, partitions: number) {
    this.identity = identity
    this.opening = opening
    this.checkpoints = Array.from({ length: partitions }, () => checkpointZero)
  }

  clone(): Copy {
    const clone = new Copy(this.identity, this.opening, 0)
    clone.checkpoints.push(...this.checkpoints)
    clone.filled = this.filled
    for (const [id, value] of this.#values) clone.#values.set(id, value)
    return clone
  }

  /** One a partition; undefined where one of them is missing. */
  checkpointsOf(generation: Generation): readonly Checkpoint[] | undefined {
    return this.checkpoints.length < generation.partitions ? undefined : this.checkpoints.slice(0, generation.partitions)
  }

  get size(): number {
    return this.#values.size
  }

  get(id: string): Uint8Array | undefined {
    return this.#values.get(id)
  }

  write(batch: Batch): void {
    for (const op of batch.ops) {
      const known = this.#values.has(op.id)
      if (known !== (op.kind === 'set')) this.#sorted = undefined
      if (op.kind === 'set') this.#values.set(op.id, op.value.buffer.slice(op.value.start, op.value.end))
      else this.#values.delete(op.id)
    }
    this.checkpoints[batch.partition] = batch.checkpoint
  }

  /** At most `limit` ids that come after `after` and begin with `prefix`, in key order. */
  idsAfter(after: string | undefined, prefix: string, limit: number): readonly string[] {
    this.#sorted ??= [...this.#values.keys()].sort(compareUtf8)
    const start = after === undefined || compareUtf8(after, prefix) < 0 ? prefix : after
    const ids: string[] = []
    for (let at = lowerBound(this.#sorted, start); at < this.#sorted.length && ids.length < limit; at++) {
      const id = this.#sorted[at]
      if (id === undefined || !id.startsWith(prefix)) break
      if (id !== after) ids.push(id)
    }
    return ids
  }
}

/** Index of the first id that isn't before `id`. */
function lowerBound(sorted: readonly string[], id: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareUtf8(sorted[middle] ?? '', id) < 0) low = middle + 1
    else high = middle
  }
  return low
}

export type Found =
  | { readonly kind: 'open'; readonly copy: Copy }
  | { readonly kind: 'lost' }
  | { readonly kind: 'foreign'; readonly found: Identity }

/** One shard: a copy a generation, by the generation's name; a fence a view. */
export class Shard {
  readonly name: string
  readonly #copies = new Map<string, Copy>()
  readonly #fences = new Map<string, Fence>()

  constructor(name: string) {
    this.name = name
  }

  find(generation: Generation): Found {
    const copy = this.#copies.get(generationName(generation))
    if (copy === undefined) return { kind: 'lost' }
    const foreign = identityDifference(identityOf(generation, this.name), copy.identity) !== undefined
    return foreign ? { kind: 'foreign', found: copy.identity } : { kind: 'open', copy }
  }

  open(generation: Generation, anew: boolean): OpenOutcome {
    if (this.#fence(generation).dropped.has(generation.uid)) return 'dropped'
    const found = this.find(generation)
    if (found.kind === 'foreign') return found
    if (found.kind === 'open' && !anew && found.copy.checkpointsOf(generation) !== undefined) return 'kept'
    this.#copies.set(generationName(generation), new Copy(identityOf(generation, this.name), randomUUID(), generation.partitions))
    return 'opened'
  }

  apply(generation: Generation, batch: Batch): ShardOutcome {
    const found = this.find(generation)
    if (found.kind !== 'open') return found
    const checkpoint = found.copy.checkpoints[batch.partition]
    if (checkpoint === undefined) return { kind: 'lost' }
    if (checkpoint.position !== batch.from || checkpoint.vouched !== batch.vouched) return { kind: 'elsewhere', checkpoint }
    found.copy.write(batch)
    return { kind: 'applied' }
  }

  /** Of a generation that is open. */
  serve(generation: Generation, since: CommandPlace): 'shown' | 'outdated' {
    const fence = this.#fence(generation)
    if (fence.isOutdated(since)) return 'outdated'
    fence.served = since
    return 'shown'
  }

  drop(generation: Generation): void {
    this.#fence(generation).dropped.add(generation.uid)
    if (this.find(generation).kind === 'open') this.#copies.delete(generationName(generation))
  }

  clear(): void {
    this.#copies.clear()
    this.#fences.clear()
  }

  /** Keeps everything as it is now. Returns what brings it back. */
  backUp(): () => void {
    const copies = [...this.#copies].map(([name, copy]) => [name, copy.clone()] as const)
    const fences = [...this.#fences].map(([view, fence]) => [view, fence.clone()] as const)
    return () => {
      this.clear()
      for (const [name, copy] of copies) this.#copies.set(name, copy.clone())
      for (const [view, fence] of fences) this.#fences.set(view, fence.clone())
    }
  }

  #fence({ view }: Generation): Fence {
    const fence = this.#fences.get(view) ?? new Fence()
    this.#fences.set(view, fence)
    return fence
  }
}
