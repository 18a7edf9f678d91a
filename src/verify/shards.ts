import { messageOf } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import { formatPlace, type Offset } from '../model/record.ts'
import {
  type Batch,
  type Checkpoint,
  type Look,
  type Scan,
  type ScanOptions,
  type ShardOutcome,
  type ViewAdmin,
  type ViewBackend,
  type ViewWriter,
  vouchesFor,
} from '../model/view-backend.ts'
import { foreignShard } from '../pipeline/stops.ts'
import type { Patience } from './patience.ts'

/** The store as verify asks it: every answer is waited for. */
export class Shards {
  readonly names: readonly string[]
  readonly owner: (id: string) => string
  readonly #generation: Generation
  readonly #admin: ViewAdmin
  readonly #writer: ViewWriter
  readonly #patience: Patience

  constructor(backend: ViewBackend, generation: Generation, patience: Patience) {
    this.names = backend.shards
    this.owner = id => backend.owner(id)
    this.#generation = generation
    this.#admin = backend.admin(generation)
    this.#writer = backend.writer(generation)
    this.#patience = patience
  }

  /** Waits until a shard vouches for these positions. @throws foreign-store; the signal's reason */
  async vouches(shard: string, positions: readonly Offset[]): Promise<void> {
    await this.#patience.until(async () => {
      const answer = await this.#writer.checkpoints(shard)
      if (answer.kind === 'foreign') throw foreignShard(this.#generation, shard, answer.found)
      if (answer.kind === 'unavailable') this.#patience.tell(messageOf(answer.cause))
      else if (answer.kind === 'lost') this.#patience.tell(`shard ${shard}, which does not hold the view, or no longer, to be folded from the start`)
      else if (vouchesFor(answer.checkpoints, positions)) return true
      else this.#patience.tell(behind(shard, answer.checkpoints, positions))
      return undefined
    })
  }

  /** @throws cursor-expired; foreign-store; the signal's reason */
  scan(shard: string, options: ScanOptions): Promise<Scan> {
    return this.#patience.until(() => this.#admin.scan(shard, options))
  }

  /** Looks once the shard vouches for these positions, and does so in that very moment. @throws as `vouches` */
  async look(shard: string, ids: readonly string[], positions: readonly Offset[]): Promise<Look> {
    return await this.#patience.until(async () => {
      const look = await this.#admin.look(shard, ids)
      if (vouchesFor(look.checkpoints, positions)) return look
      this.#patience.tell(behind(shard, look.checkpoints, positions))
      return undefined
    })
  }

  /** Where a shard stands now; undefined where it doesn't say. @throws foreign-store */
  async checkpoint(shard: string, partition: number): Promise<Checkpoint | undefined> {
    const answer = await this.#writer.checkpoints(shard)
    if (answer.kind === 'foreign') throw foreignShard(this.#generation, shard, answer.found)
    return answer.kind === 'open' ? answer.checkpoints[partition] : undefined
  }

  /** Tries once. `unavailable`: it may have been written; looking again tells. @throws foreign-store, closed */
  async repair(shard: string, batch: Batch): Promise<Exclude<ShardOutcome, { kind: 'foreign' }>> {
    const outcome = await this.#writer.apply(shard, batch)
    if (outcome.kind === 'foreign') throw foreignShard(this.#generation, shard, outcome.found)
    return outcome
  }
}

function behind(shard: string, checkpoints: readonly Checkpoint[], positions: readonly Offset[]): string {
  const partition = positions.findIndex((position, at) => (checkpoints[at]?.vouched ?? 0) < position)
  const { vouched = 0 } = checkpoints[partition] ?? {}
  return `shard ${shard}, which vouches for ${formatPlace(partition, vouched)}, to come to ${formatPlace(partition, positions[partition] ?? 0)}`
}
