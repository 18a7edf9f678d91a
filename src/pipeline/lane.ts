import type { LogReader } from '../model/log.ts'
import type { Offset, Stretch } from '../model/record.ts'
import type { Checkpoint } from '../model/view-backend.ts'
import { type Hole, holeAt, meet, readOn, vouchedAt } from './holes.ts'

/**
 * The shards of one partition that stand at the same position, and the reader they share. Usually there is one lane. A shard that is away leaves it,
 * and comes back in a lane of its own, which reads on from the shard's checkpoint until it meets the next lane ahead: there its shards join that one.
 *
 * A lane's position moves once a step, when its batch has been given to its shards. `target` is where the step under way ends, so a lane
 * that catches up knows where to wait; it is admitted between two steps, when position and target are the same.
 */
export class Lane {
  readonly reader: LogReader
  readonly shards = new Set<string>()
  readonly #joining = new Map<string, Lane>()
  #position: Offset
  #target: Offset
  #hole: Hole | undefined
  #atEndMs: number
  /** Whether `#atEndMs` is known to be of the end, and not of a start from 0. */
  #wasAtEnd = false
  #tombstonesRemovedTo: Offset
  #leaderEpoch: number
  /** As the shards have it in their checkpoints. */
  #written: { readonly vouched: Offset; readonly atEndMs: number }

  /** @param hole as the lane knew it that this one goes on for; a checkpoint alone says less */
  constructor(reader: LogReader, shards: Iterable<string>, checkpoint: Checkpoint, hole: Hole | undefined = holeAt(checkpoint)) {
    this.reader = reader
    for (const shard of shards) this.shards.add(shard)
    this.#position = checkpoint.position
    this.#target = checkpoint.position
    this.#hole = hole
    this.#atEndMs = checkpoint.atEndMs
    this.#tombstonesRemovedTo = checkpoint.tombstonesRemovedTo
    this.#leaderEpoch = checkpoint.leaderEpoch
    this.#written = { vouched: checkpoint.vouched, atEndMs: checkpoint.atEndMs }
  }

  get position(): Offset {
    return this.#position
  }

  get target(): Offset {
    return this.#target
  }

  get hole(): Hole | undefined {
    return this.#hole
  }

  get empty(): boolean {
    return this.shards.size === 0 && this.#joining.size === 0
  }

  /** What the shards keep now. */
  get checkpoint(): Checkpoint {
    return {
      position: this.#position,
      vouched: vouchedAt(this.#hole, this.#position),
      tombstonesRemovedTo: this.#tombstonesRemovedTo,
      leaderEpoch: this.#leaderEpoch,
      atEndMs: this.#atEndMs,
    }
  }

  /** What each of its shards has acknowledged. */
  get written(): Pick<Checkpoint, 'position' | 'vouched'> {
    return { position: this.#position, vouched: this.#written.vouched }
  }

  /** The shards of a lane that has arrived at this one's target wait for its next step. The other lane is empty then. */
  join(other: Lane): void {
    for (const shard of other.leave()) this.#joining.set(shard, other)
  }

  /** Between two steps: what waited takes part from now on. */
  admit(): void {
    // What the newcomers have written may be less than what this lane has.
    if (this.#joining.size > 0) this.#written = { vouched: -1, atEndMs: 0 }
    for (const [shard, from] of this.#joining) {
      this.shards.add(shard)
      this.#hole = meet(this.#hole, from.#hole)
      this.#tombstonesRemovedTo = Math.min(this.#tombstonesRemovedTo, from.#tombstonesRemovedTo)
      // Both stand here: what lies ahead was written after either was at the end. A start from 0 says nothing of the other's keys.
      const both = this.#wasAtEnd && from.#wasAtEnd
      this.#atEndMs = both ? Math.max(this.#atEndMs, from.#atEndMs) : Math.min(this.#atEndMs, from.#atEndMs)
      this.#wasAtEnd = both
    }
    this.#joining.clear()
  }

  /** Those that take part or wait; for when the lane ends. */
  leave(): readonly string[] {
    // A shard that waits brings a hole of its own, which the lane that takes the shards over must know.
    this.admit()
    const all = [...this.shards]
    this.shards.clear()
    return all
  }

  /** Whether compaction has removed tombstones that this lane has yet to meet: what it folds on from here would keep what they deleted. */
  missesDeletes(stretch: Stretch): boolean {
    const { from, next, tombstonesRemovedTo, tombstonesKeptMs } = stretch
    if (from === 0) return false
    if (tombstonesRemovedTo >= from && tombstonesRemovedTo > this.#tombstonesRemovedTo) return true
    return next > from && Date.now() - this.#atEndMs > tombstonesKeptMs
  }

  /** Starts a step that ends at `next`; its checkpoint goes with the batch. */
  aim(next: Offset, stretch: Stretch): Checkpoint {
    const { from, endOffset, leaderEpoch, tombstonesRemovedTo } = stretch
    const hole = readOn(this.#hole, next, endOffset, stretch.hole)
    this.#target = next
    this.#hole = hole
    this.#tombstonesRemovedTo = tombstonesRemovedTo
    this.#leaderEpoch = leaderEpoch < 0 ? this.#leaderEpoch : leaderEpoch
    // A shard that starts from 0 lacks no delete either: a tombstone that is there now stays for its time.
    if (next === endOffset || from === 0) {
      this.#atEndMs = stretch.askedAtMs
      this.#wasAtEnd = next === endOffset
    }
    return { ...this.checkpoint, position: next, vouched: vouchedAt(hole, next) }
  }

  /** Whether a checkpoint without a move is worth writing: it vouches for more, or says again that the partition is at its end. */
  stale(checkpoint: Checkpoint, renewAfterMs: number): boolean {
    return checkpoint.vouched !== this.#written.vouched || checkpoint.atEndMs - this.#written.atEndMs >= renewAfterMs
  }

  arrive(checkpoint: Checkpoint): void {
    this.#position = checkpoint.position
    this.#written = checkpoint
  }
}
