import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, type Identity, identityDifference, identityOf } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import {
  type Batch,
  type Checkpoint,
  checkpointZero,
  type OpenOutcome,
  type ShardCheckpoints,
  type ShardOutcome,
  type ViewOp,
  vouchesFor,
} from '../../src/model/view-backend.ts'
import type { Clock } from './clock.ts'
import { Disk } from './disk.ts'
import { NoAnswer } from './network.ts'
import type { Random } from './random.ts'

/** Who watches what a shard does to its data. */
export interface Watcher {
  /** After each step that may have written. */
  written(shard: SimShard, partition: number | 'all'): void
  /** It told a reader that it vouches for so much. */
  told(shard: SimShard, vouched: readonly Offset[]): void
  /** It took the mark that it is filled, as it had reached these end offsets. */
  marked(shard: SimShard, endOffsets: readonly Offset[]): void
}

export interface ShardOptions {
  readonly clock: Clock
  readonly random: Random
  readonly watcher: Watcher
  /** `transaction`: compares and writes in one step, as SQL stores do. `watch`: compares in a first step, and writes in a second if nothing was touched, as Redis. */
  readonly style: 'transaction' | 'watch'
}

/** What a client means: a generation, and the shard it takes this server for. */
export interface Meant {
  readonly generation: Generation
  readonly shard: string
}

type Standing = { readonly kind: 'open' } | { readonly kind: 'lost' } | { readonly kind: 'foreign'; readonly found: Identity }

/** Steps of one request: each happens in one moment; between two, others have their turn, or the server dies. */
type Steps = <T>(work: () => T) => Promise<T>

const TRIES = 5

/** A store's server: one shard of a generation, with the rules every backend keeps (src/model/view-backend.ts) written as small as can be. */
export class SimShard {
  readonly name: string
  readonly disk = new Disk()
  readonly #options: ShardOptions
  away = false
  readOnly = false
  /** Of identity and checkpoints: who watches them sees whether somebody wrote. */
  #version = 0
  /** So that no two openings have the same name, whatever state is brought back. */
  #openings = 0
  #runs = 0

  constructor(name: string, options: ShardOptions) {
    this.name = name
    this.#options = options
  }

  /** The server ends and comes back: what it was about to do never happens. */
  restart(): void {
    this.#runs++
  }

  /** Somebody changes what stands here behind everybody's back. */
  tamper(change: (disk: Disk) => void): void {
    this.#version++
    this.#runs++
    change(this.disk)
  }

  async apply(meant: Meant, batch: Batch): Promise<ShardOutcome> {
    const steps = this.#begin('write')
    if (this.#options.style === 'watch') return await this.#applyWatching(steps, meant, batch)
    return await steps(() => {
      const refusal = this.#compare(meant, batch)
      if (refusal !== undefined) return refusal
      this.#write(batch)
      return { kind: 'applied' }
    })
  }

  async #applyWatching(steps: Steps, meant: Meant, batch: Batch): Promise<ShardOutcome> {
    for (let tries = 0; tries < TRIES; tries++) {
      const seen = await steps(() => ({ refusal: this.#compare(meant, batch), version: this.#version }))
      if (seen.refusal !== undefined) return seen.refusal
      const done = await steps(() => {
        if (this.#version !== seen.version) return false
        this.#write(batch)
        return true
      })
      if (done) return { kind: 'applied' }
    }
    throw new NoAnswer('somebody keeps writing')
  }

  #compare(meant: Meant, batch: Batch): ShardOutcome | undefined {
    const standing = this.#standing(meant)
    if (standing.kind !== 'open') return standing
    const checkpoint = this.#checkpoint(batch.partition)
    if (checkpoint === undefined) return { kind: 'lost' }
    if (checkpoint.position !== batch.from || checkpoint.vouched !== batch.vouched) return { kind: 'elsewhere', checkpoint }
    return undefined
  }

  #write(batch: Batch): void {
    for (const op of batch.ops) this.#writeOp(op)
    this.#writeCheckpoint(batch)
  }

  #writeOp(op: ViewOp): void {
    if (op.kind === 'del') this.disk.values.delete(op.id)
    else this.disk.values.set(op.id, Buffer.from(op.value.buffer.subarray(op.value.start, op.value.end)).toString())
  }

  #writeCheckpoint({ partition, checkpoint }: Batch): void {
    this.disk.checkpoints.set(partition, checkpoint)
    this.#version++
    this.#options.watcher.written(this, partition)
  }

  async checkpoints(meant: Meant): Promise<ShardCheckpoints> {
    return await this.#begin('read')(() => {
      const standing = this.#standing(meant)
      if (standing.kind !== 'open') return standing
      const checkpoints = this.#checkpointsOf(meant)
      return checkpoints === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints }
    })
  }

  async open(meant: Meant, anew: boolean): Promise<OpenOutcome> {
    return await this.#begin('write')(() => {
      const standing = this.#standing(meant)
      if (standing.kind === 'foreign') return standing
      if (standing.kind === 'open' && !anew && this.#checkpointsOf(meant) !== undefined) return 'kept'
      this.disk.clear()
      this.disk.identity = identityOf(meant.generation, meant.shard)
      this.disk.opening = `${this.name}-${++this.#openings}`
      for (let partition = 0; partition < meant.generation.partitions; partition++) {
        this.disk.checkpoints.set(partition, checkpointZero)
      }
      this.#version++
      this.#options.watcher.written(this, 'all')
      return 'opened'
    })
  }

  async opening(meant: Meant): Promise<string> {
    return await this.#begin('read')(() => {
      this.#assertOpen(meant)
      return this.disk.opening
    })
  }

  async markFilled(meant: Meant, opening: string, endOffsets: readonly Offset[]): Promise<boolean> {
    return await this.#begin('write')(() => {
      if (this.#standing(meant).kind !== 'open' || this.disk.opening !== opening) return false
      const checkpoints = this.#checkpointsOf(meant)
      if (checkpoints === undefined || !vouchesFor(checkpoints, endOffsets)) return false
      this.disk.filled = true
      this.#options.watcher.marked(this, endOffsets)
      return true
    })
  }

  async get(meant: Meant, ids: readonly string[]): Promise<readonly (string | undefined)[]> {
    return await this.#begin('read')(() => {
      const values = ids.map(id => this.disk.values.get(id))
      this.#assertFilled(meant)
      return values
    })
  }

  /** In order of the ids, from behind `after`. */
  async list(meant: Meant, after: string, limit: number): Promise<readonly (readonly [string, string])[]> {
    return await this.#begin('read')(() => {
      const entries = [...this.disk.values].filter(([id]) => id > after)
      this.#assertFilled(meant)
      return entries.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
    })
  }

  async vouched(meant: Meant): Promise<readonly Offset[]> {
    return await this.#begin('read')(() => {
      this.#assertOpen(meant)
      const checkpoints = this.#checkpointsOf(meant)
      if (checkpoints === undefined) throw new LogfoldError('view-lost', `Shard ${this.name} lacks a checkpoint`)
      const vouched = checkpoints.map(checkpoint => checkpoint.vouched)
      this.#options.watcher.told(this, vouched)
      return vouched
    })
  }

  async filled(meant: Meant): Promise<boolean> {
    return await this.#begin('read')(() => {
      this.#assertOpen(meant)
      return this.disk.filled
    })
  }

  #standing(meant: Meant): Standing {
    const found = this.disk.identity
    if (found === undefined) return { kind: 'lost' }
    return identityDifference(identityOf(meant.generation, meant.shard), found) === undefined ? { kind: 'open' } : { kind: 'foreign', found }
  }

  /** Undefined where it is missing: that is a loss, never 0. */
  #checkpoint(partition: number): Checkpoint | undefined {
    return this.disk.checkpoints.get(partition)
  }

  #checkpointsOf(meant: Meant): readonly Checkpoint[] | undefined {
    const found = Array.from({ length: meant.generation.partitions }, (_, partition) => this.#checkpoint(partition))
    return found.every(checkpoint => checkpoint !== undefined) ? found : undefined
  }

  /** @throws view-lost, foreign-store */
  #assertOpen(meant: Meant): void {
    const { kind } = this.#standing(meant)
    if (kind === 'lost') throw new LogfoldError('view-lost', `Shard ${this.name} does not hold the view`)
    if (kind === 'foreign') throw new LogfoldError('foreign-store', `Shard ${this.name} holds another view`)
  }

  /** @throws view-lost, foreign-store, view-folding */
  #assertFilled(meant: Meant): void {
    this.#assertOpen(meant)
    if (!this.disk.filled) throw new LogfoldError('view-folding', `Shard ${this.name} is not filled yet`)
  }

  /** @throws NoAnswer when the server is away, dies meanwhile, or takes no writes */
  #begin(kind: 'read' | 'write'): Steps {
    const { clock, random } = this.#options
    const run = this.#runs
    let first = true
    return async work => {
      if (!first) {
        const { promise, resolve } = Promise.withResolvers<void>()
        clock.after(random.chance(0.2) ? random.float() * 300 : random.float(), undefined, resolve)
        await promise
      }
      first = false
      if (this.away || this.#runs !== run || (kind === 'write' && this.readOnly)) throw new NoAnswer(`shard ${this.name} is away`)
      return work()
    }
  }
}
