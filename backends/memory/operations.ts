import { cursorOf, idOf } from '../../src/model/cursor.ts'
import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import {
  type Batch,
  type Checkpoint,
  type CommandPlace,
  type Entry,
  type ListOptions,
  type Look,
  type Marks,
  type OpenOutcome,
  type Page,
  type Scan,
  type ScanOptions,
  type ShardCheckpoints,
  type ShardOutcome,
  type ShardStats,
  type ViewAdmin,
  type ViewReader,
  type ViewWriter,
  vouchesFor,
} from '../../src/model/view-backend.ts'
import type { ShardFaults } from './faults.ts'
import { compareUtf8 } from './order.ts'
import { findIn, scanCopy } from './scan.ts'
import type { Copy, Shard } from './shard.ts'

/** A shard as the operations see it: they reach its data only through `enter`, where the faults are. */
export interface Reached {
  readonly shard: Shard
  readonly faults: ShardFaults
}

/** The way to the shards. */
export interface Shards {
  readonly shards: readonly string[]
  owner(id: string): string
  /** @throws closed, view-unavailable */
  enter(shard: string): Promise<Reached>
  /** @throws closed */
  assertOpen(): void
}

export class MemoryWriter implements ViewWriter {
  readonly #backend: Shards
  readonly #generation: Generation

  constructor(backend: Shards, generation: Generation) {
    this.#backend = backend
    this.#generation = generation
  }

  async apply(name: string, batch: Batch): Promise<ShardOutcome> {
    try {
      const { shard, faults } = await this.#backend.enter(name)
      if (faults.refuses && batch.ops.length > 0) {
        return { kind: 'refused', cause: new LogfoldError('store-refused', `Shard ${name} does not take the data`) }
      }
      const outcome = shard.apply(this.#generation, batch)
      if (outcome.kind !== 'applied' || faults.answersToLose === 0) return outcome
      faults.answersToLose--
      return { kind: 'unavailable', cause: new LogfoldError('view-unavailable', `The answer of shard ${name} was lost`) }
    } catch (error) {
      return unavailable(error)
    }
  }

  async checkpoints(name: string): Promise<ShardCheckpoints> {
    try {
      const { shard } = await this.#backend.enter(name)
      const found = shard.find(this.#generation)
      if (found.kind !== 'open') return found
      const checkpoints = found.copy.checkpointsOf(this.#generation)
      return checkpoints === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints }
    } catch (error) {
      return unavailable(error)
    }
  }
}

function unavailable(error: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
  if (isLogfoldError(error, 'view-unavailable')) return { kind: 'unavailable', cause: error }
  throw error
}

export class MemoryReader implements ViewReader {
  readonly #backend: Shards
  readonly #generation: Generation

  constructor(backend: Shards, generation: Generation) {
    this.#backend = backend
    this.#generation = generation
  }

  async get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const owners = ids.map(id => this.#backend.owner(id))
    const copies = await this.#filledCopies([...new Set(owners)])
    return ids.map((id, at) =>
      copies
        .get(owners[at] ?? '')
        ?.get(id)
        ?.slice(),
    )
  }

  async list(options: ListOptions): Promise<Page> {
    const copies = await this.#filledCopies(this.#backend.shards)
    const after = options.cursor === undefined ? undefined : idOf(options.cursor).toString()
    const merged = [...copies.values()]
      .flatMap(copy => copy.idsAfter(after, options.prefix ?? '', options.limit + 1).map(id => ({ id, copy })))
      .sort((a, b) => compareUtf8(a.id, b.id))
    const entries = merged.slice(0, options.limit).map(({ id, copy }): Entry => ({ id, value: copy.get(id)?.slice() ?? NO_BYTES }))
    const last = entries.at(-1)
    return { entries, cursor: merged.length > options.limit && last !== undefined ? cursorOf(last.id) : undefined }
  }

  async vouched(name: string): Promise<readonly Offset[]> {
    const { shard } = await this.#backend.enter(name)
    return checkpointsOf(shard, openCopy(shard, this.#generation), this.#generation).map(checkpoint => checkpoint.vouched)
  }

  async filled(name: string): Promise<boolean> {
    const copies = await this.#copies([name])
    return copies.get(name)?.filled === true
  }

  async #filledCopies(names: readonly string[]): Promise<ReadonlyMap<string, Copy>> {
    const copies = await this.#copies(names)
    for (const [name, copy] of copies) {
      if (!copy.filled) {
        throw new LogfoldError('view-folding', `${generationName(this.#generation)} is not filled yet on shard ${name}`)
      }
    }
    return copies
  }

  /** Reaches all shards first, then looks at all of them in one go, so that what they hold can't change in between. */
  async #copies(names: readonly string[]): Promise<ReadonlyMap<string, Copy>> {
    this.#backend.assertOpen()
    const reached = await Promise.all(names.map(name => this.#backend.enter(name)))
    return new Map(reached.map(({ shard }) => [shard.name, openCopy(shard, this.#generation)]))
  }
}

const NO_BYTES = new Uint8Array(0)

/** @throws view-lost, foreign-store */
function openCopy(shard: Shard, generation: Generation): Copy {
  const found = shard.find(generation)
  if (found.kind === 'open') return found.copy
  const name = generationName(generation)
  if (found.kind === 'lost') throw new LogfoldError('view-lost', `Shard ${shard.name} does not hold ${name}`)
  throw new LogfoldError('foreign-store', `Shard ${shard.name} holds another ${name}`)
}

/** @throws view-lost where one is missing */
function checkpointsOf(shard: Shard, copy: Copy, generation: Generation): readonly Checkpoint[] {
  const checkpoints = copy.checkpointsOf(generation)
  if (checkpoints !== undefined) return checkpoints
  throw new LogfoldError('view-lost', `Shard ${shard.name} lacks a checkpoint of ${generationName(generation)}`)
}

export class MemoryAdmin implements ViewAdmin {
  readonly #backend: Shards
  readonly #generation: Generation

  constructor(backend: Shards, generation: Generation) {
    this.#backend = backend
    this.#generation = generation
  }

  async open(name: string, options: { readonly anew?: boolean } = {}): Promise<OpenOutcome> {
    const { shard } = await this.#backend.enter(name)
    return shard.open(this.#generation, options.anew ?? false)
  }

  async opening(name: string): Promise<string> {
    const { shard } = await this.#backend.enter(name)
    return openCopy(shard, this.#generation).opening
  }

  async markFilled(name: string, opening: string, endOffsets: readonly Offset[]): Promise<boolean> {
    const { shard } = await this.#backend.enter(name)
    const found = shard.find(this.#generation)
    if (found.kind !== 'open' || found.copy.opening !== opening) return false
    const checkpoints = found.copy.checkpointsOf(this.#generation)
    if (checkpoints === undefined || !vouchesFor(checkpoints, endOffsets)) return false
    found.copy.filled = true
    return true
  }

  /** Nobody looks into a process's memory, so there is nothing to show; only the generation must be there, and no newer command. */
  async serve(name: string, since: CommandPlace): Promise<'shown' | 'outdated'> {
    const { shard } = await this.#backend.enter(name)
    openCopy(shard, this.#generation)
    return shard.serve(this.#generation, since)
  }

  async marks(name: string): Promise<Marks> {
    const { shard } = await this.#backend.enter(name)
    return { filled: openCopy(shard, this.#generation).filled, shown: true }
  }

  async stats(name: string): Promise<ShardStats> {
    const { shard } = await this.#backend.enter(name)
    const found = shard.find(this.#generation)
    return { entries: found.kind === 'open' ? found.copy.size : 0, bytes: undefined }
  }

  async scan(name: string, options: ScanOptions): Promise<Scan> {
    const { shard } = await this.#backend.enter(name)
    return scanCopy(openCopy(shard, this.#generation), options)
  }

  async look(name: string, ids: readonly string[]): Promise<Look> {
    const { shard } = await this.#backend.enter(name)
    const copy = openCopy(shard, this.#generation)
    return { found: findIn(copy, ids), checkpoints: checkpointsOf(shard, copy, this.#generation) }
  }

  async drop(name: string, signal?: AbortSignal): Promise<void> {
    const { shard } = await this.#backend.enter(name)
    if (!signal?.aborted) shard.drop(this.#generation)
  }
}
