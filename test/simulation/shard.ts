import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, type Identity, identityDifference, identityOf } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import type { Batch, Checkpoint, ShardCheckpoints, ShardOutcome, ViewOp } from '../../src/model/view-backend.ts'
import type { Clock } from './clock.ts'
import { type Copy, Disk } from './disk.ts'
import { NoAnswer } from './network.ts'
import type { Random } from './random.ts'

/** Who watches what a shard does to its data. */
export interface Watcher {
  /** After each step that may have written to a generation. */
  written(shard: SimShard, generation: string, partition: number | 'all'): void
  /** It told a reader that it vouches for so much. */
  told(shard: SimShard, generation: string, vouched: readonly Offset[]): void
  /** It took the mark that it is filled, as it had reached these end offsets. */
  marked(shard: SimShard, generation: string, endOffsets: readonly Offset[]): void
  /** It takes a generation away. */
  dropping(shard: SimShard, generation: string): void
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

export type Standing = { readonly kind: 'open' } | { readonly kind: 'lost' } | { readonly kind: 'foreign'; readonly found: Identity }

/** Steps of one request: each happens in one moment; between two, others have their turn, or the server dies. */
export type Steps = <T>(work: () => T) => Promise<T>

const TRIES = 5

/** A store's server: one shard of each generation, with the rules every backend keeps (src/model/view-backend.ts) written as small as can be. What changes a generation's life is in shard-admin.ts. */
export class SimShard {
  readonly name: string
  readonly disk = new Disk()
  readonly watcher: Watcher
  readonly #options: ShardOptions
  /** Names of generations that it has once dropped, and may have again since somebody changed it. */
  readonly forgot = new Set<string>()
  away = false
  readOnly = false
  readonly #versions = new Map<string, number>()
  #runs = 0

  constructor(name: string, options: ShardOptions) {
    this.name = name
    this.watcher = options.watcher
    this.#options = options
  }

  /** The server ends and comes back: what it was about to do never happens. */
  restart(): void {
    this.#runs++
  }

  /** Somebody changes what stands here behind everybody's back. */
  tamper(change: (disk: Disk) => void): void {
    this.#runs++
    const { copies, dropped } = this.disk.clone()
    change(this.disk)
    for (const [uid, name] of dropped) if (!this.disk.dropped.has(uid) || (this.disk.copies.has(name) && !copies.has(name))) this.forgot.add(name)
  }

  async apply(meant: Meant, batch: Batch): Promise<ShardOutcome> {
    const steps = this.begin('write')
    if (this.#options.style === 'watch') return await this.#applyWatching(steps, meant, batch)
    return await steps(() => {
      const refusal = this.#compare(meant, batch)
      if (refusal !== undefined) return refusal
      this.#write(meant, batch)
      return { kind: 'applied' }
    })
  }

  async #applyWatching(steps: Steps, meant: Meant, batch: Batch): Promise<ShardOutcome> {
    for (let tries = 0; tries < TRIES; tries++) {
      const seen = await steps(() => ({ refusal: this.#compare(meant, batch), version: this.version(meant) }))
      if (seen.refusal !== undefined) return seen.refusal
      const done = await steps(() => {
        if (this.version(meant) !== seen.version) return false
        this.#write(meant, batch)
        return true
      })
      if (done) return { kind: 'applied' }
    }
    throw new NoAnswer('somebody keeps writing')
  }

  #compare(meant: Meant, batch: Batch): ShardOutcome | undefined {
    const standing = this.standing(meant)
    if (standing.kind !== 'open') return standing
    const checkpoint = this.#checkpoint(meant, batch.partition)
    if (checkpoint === undefined) return { kind: 'lost' }
    if (checkpoint.position !== batch.from || checkpoint.vouched !== batch.vouched) return { kind: 'elsewhere', checkpoint }
    return undefined
  }

  #write(meant: Meant, batch: Batch): void {
    for (const op of batch.ops) this.#writeOp(meant, op)
    this.#writeCheckpoint(meant, batch)
  }

  #writeOp(meant: Meant, op: ViewOp): void {
    const { values } = this.copy(meant)
    if (op.kind === 'del') values.delete(op.id)
    else values.set(op.id, Buffer.from(op.value.buffer.subarray(op.value.start, op.value.end)).toString())
  }

  #writeCheckpoint(meant: Meant, { partition, checkpoint }: Batch): void {
    this.copy(meant).checkpoints.set(partition, checkpoint)
    this.touched(meant)
    this.watcher.written(this, generationName(meant.generation), partition)
  }

  async checkpoints(meant: Meant): Promise<ShardCheckpoints> {
    return await this.begin('read')(() => {
      const standing = this.standing(meant)
      if (standing.kind !== 'open') return standing
      const checkpoints = this.checkpointsOf(meant)
      return checkpoints === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints }
    })
  }

  async get(meant: Meant, ids: readonly string[]): Promise<readonly (string | undefined)[]> {
    return await this.begin('read')(() => {
      const values = ids.map(id => this.copy(meant).values.get(id))
      this.#assertFilled(meant)
      return values
    })
  }

  /** In order of the ids, from behind `after`. */
  async list(meant: Meant, after: string, limit: number): Promise<readonly (readonly [string, string])[]> {
    return await this.begin('read')(() => {
      const entries = [...this.copy(meant).values].filter(([id]) => id > after)
      this.#assertFilled(meant)
      return entries.sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
    })
  }

  async vouched(meant: Meant): Promise<readonly Offset[]> {
    return await this.begin('read')(() => {
      this.assertOpen(meant)
      const checkpoints = this.checkpointsOf(meant)
      if (checkpoints === undefined) throw new LogfoldError('view-lost', `Shard ${this.name} lacks a checkpoint`)
      const vouched = checkpoints.map(checkpoint => checkpoint.vouched)
      this.watcher.told(this, generationName(meant.generation), vouched)
      return vouched
    })
  }

  async filled(meant: Meant): Promise<boolean> {
    return await this.begin('read')(() => {
      this.assertOpen(meant)
      return this.copy(meant).filled
    })
  }

  /** What stands here of a generation; where nothing does, an empty copy that isn't kept. */
  copy({ generation }: Meant): Copy {
    return this.disk.at(generationName(generation))
  }

  /** Of identity and checkpoints of a generation: who watches them sees whether somebody wrote. */
  version({ generation }: Meant): number {
    return this.#versions.get(generationName(generation)) ?? 0
  }

  touched(meant: Meant): void {
    this.#versions.set(generationName(meant.generation), this.version(meant) + 1)
  }

  standing(meant: Meant): Standing {
    const found = this.copy(meant).identity
    if (found === undefined) return { kind: 'lost' }
    return identityDifference(identityOf(meant.generation, meant.shard), found) === undefined ? { kind: 'open' } : { kind: 'foreign', found }
  }

  /** Undefined where it is missing: that is a loss, never 0. */
  #checkpoint(meant: Meant, partition: number): Checkpoint | undefined {
    return this.copy(meant).checkpoints.get(partition)
  }

  checkpointsOf(meant: Meant): readonly Checkpoint[] | undefined {
    const found = Array.from({ length: meant.generation.partitions }, (_, partition) => this.#checkpoint(meant, partition))
    return found.every(checkpoint => checkpoint !== undefined) ? found : undefined
  }

  /** @throws view-lost, foreign-store */
  assertOpen(meant: Meant): void {
    const { kind } = this.standing(meant)
    if (kind === 'lost') throw new LogfoldError('view-lost', `Shard ${this.name} does not hold the view`)
    if (kind === 'foreign') throw new LogfoldError('foreign-store', `Shard ${this.name} holds another view`)
  }

  /** @throws view-lost, foreign-store, view-folding */
  #assertFilled(meant: Meant): void {
    this.assertOpen(meant)
    if (!this.copy(meant).filled) throw new LogfoldError('view-folding', `Shard ${this.name} is not filled yet`)
  }

  /** @throws NoAnswer when the server is away, dies meanwhile, or takes no writes */
  begin(kind: 'read' | 'write'): Steps {
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
