import { isLogfoldError, messageOf } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import type { Offset, Stretch } from '../model/record.ts'
import type { Batch, Checkpoint, ShardOutcome, ViewBackend, ViewOp } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'
import { fold } from './fold.ts'
import type { FoldContext } from './fold-context.ts'
import { vouchedAt } from './holes.ts'
import { Lane } from './lane.ts'
import { foldProjected } from './projecting.ts'
import { asStop, foreignShard, refusedBy } from './stops.ts'

/** How long a reader waits for records before it says that there are none. */
const IDLE_WAIT_MS = 1_000
/** A checkpoint at the end of its partition is renewed this often, so that it tells when deletes may have been missed. */
const RENEW_AT_END_MS = 60_000
/** A shard that answers this much later than the first is left behind, to catch up alone. */
const STRAGGLER_MS = 1_000

/** Where a shard stands, or why it can't go on from there; `expired`: deletes may be missing. */
type Found =
  | { readonly kind: 'at'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'unavailable'; readonly cause: unknown }
  | { readonly kind: 'lost' }
  | { readonly kind: 'expired' }

/** Folds one partition into all shards of a generation, from when it is assigned until `stop`. */
export class PartitionFold {
  readonly #context: FoldContext
  readonly #partition: number
  readonly #lanes = new Set<Lane>()
  readonly #tasks = new Set<Promise<void>>()
  readonly #doubtful = new Set<string>()
  /**
   * Shards that didn't answer their last batch. They may answer everything else (a full disk can be read), so only a batch that they take ends this.
   */
  readonly #failing = new Map<string, Backoff>()
  readonly #stopping = new AbortController()

  constructor(context: FoldContext, partition: number) {
    this.#context = context
    this.#partition = partition
    for (const shard of context.backend.shards) this.#spawn(this.#place(shard))
  }

  /** Settles when nothing of this fold is under way any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const lane of this.#lanes) lane.reader.close()
    while (this.#tasks.size > 0) await Promise.all(this.#tasks)
  }

  /** Something is wrong with a shard: it finds its place again after the step under way, even where no record comes that would tell. */
  doubt(shard: string): void {
    this.#doubtful.add(shard)
  }

  /** What a shard has taken and acknowledged; undefined while it has no place. */
  written(shard: string): Pick<Checkpoint, 'position' | 'vouched'> | undefined {
    return [...this.#lanes].find(lane => lane.shards.has(shard))?.written
  }

  #spawn(task: Promise<void>): void {
    const guarded = task
      .catch(error => {
        if (!this.#stopping.signal.aborted) this.#context.stop(asStop(error, `Partition ${this.#partition}`, this.#context.generation.view))
      })
      .finally(() => this.#tasks.delete(guarded))
    this.#tasks.add(guarded)
  }

  /** Finds out where a shard stands, for as long as that takes, and puts it in the lane that stands there. */
  async #place(shard: string): Promise<void> {
    const backoff = new Backoff()
    for (let tried = false; !this.#stopping.signal.aborted; ) {
      const openings = this.#context.openings(shard)
      const found = await this.#find(shard)
      if (found.kind === 'at') return this.#enter(shard, found.checkpoint)
      if (found.kind === 'unavailable') this.#context.report.waiting(shard, messageOf(found.cause))
      else await this.#context.reopen(shard, found.kind === 'expired', openings)
      // Right after it was opened, it is there.
      if (tried || found.kind === 'unavailable') await backoff.wait(this.#stopping.signal)
      tried = true
    }
  }

  async #placeLater(shard: string): Promise<void> {
    const backoff = this.#failing.get(shard) ?? new Backoff()
    this.#failing.set(shard, backoff)
    await backoff.wait(this.#stopping.signal)
    await this.#place(shard)
  }

  async #find(shard: string): Promise<Found> {
    const { writer, generation, log, topic, deadLetters } = this.#context
    const answer = await writer.checkpoints(shard)
    if (answer.kind === 'foreign') throw foreignShard(generation, shard, answer.found)
    if (answer.kind !== 'open') return answer
    const checkpoint = answer.checkpoints[this.#partition]
    if (checkpoint === undefined) return { kind: 'lost' }
    try {
      // After the checkpoint was read: the worker that moved it there had written the letters below.
      await deadLetters.upToDate(this.#stopping.signal)
      if (checkpoint.position === 0) return { kind: 'at', checkpoint }
      const askedMs = Date.now()
      const missing = await log.missingDeletes(topic, this.#partition, checkpoint)
      if (missing === 'possible') return { kind: 'expired' }
      return { kind: 'at', checkpoint: missing === 'none' ? checkpoint : { ...checkpoint, atEndMs: askedMs } }
    } catch (cause) {
      if (isLogfoldError(cause, 'log-unavailable')) return { kind: 'unavailable', cause }
      throw cause
    }
  }

  #enter(shard: string, checkpoint: Checkpoint): void {
    if (this.#stopping.signal.aborted) return
    const { report, log, topic } = this.#context
    if (!this.#failing.has(shard)) report.up(shard)
    this.#doubtful.delete(shard)
    report.stands(this.#partition, shard, checkpoint.position, undefined, undefined)
    const lane = new Lane(log.reader(topic, this.#partition, checkpoint.position, checkpoint.leaderEpoch), [shard], checkpoint)
    this.#lanes.add(lane)
    this.#spawn(this.#run(lane))
  }

  async #run(lane: Lane): Promise<void> {
    const { steering } = this.#context
    const signal = this.#stopping.signal
    try {
      while (!lane.empty && !signal.aborted) {
        await steering.mayFetch(signal)
        const stretch = await lane.reader.next(IDLE_WAIT_MS)
        // It may have been paused while the reader waited.
        await steering.mayApply(signal)
        signal.throwIfAborted()
        lane.admit()
        this.#dismiss(lane)
        if (lane.missesDeletes(stretch)) {
          for (const shard of lane.leave()) this.#spawn(this.#place(shard))
          break
        }
        await this.#step(lane, stretch)
        const ahead = this.#meeting(lane)
        if (ahead !== undefined) ahead.join(lane)
        else if (lane.position < stretch.next) this.#replace(lane)
      }
    } catch (error) {
      if (signal.aborted && (isLogfoldError(error, 'closed') || error === signal.reason)) return
      throw error
    } finally {
      lane.reader.close()
      this.#lanes.delete(lane)
    }
  }

  #dismiss(lane: Lane): void {
    for (const shard of this.#doubtful) {
      if (!lane.shards.delete(shard)) continue
      this.#doubtful.delete(shard)
      this.#spawn(this.#place(shard))
    }
  }

  /** Folds and applies one stretch, as far as the next lane ahead. */
  async #step(lane: Lane, stretch: Stretch): Promise<void> {
    const { report, steering, rules, deadLetters } = this.#context
    const signal = this.#stopping.signal
    const until = Math.min(stretch.next, this.#nextAhead(lane))
    const { position: from, vouched } = lane.checkpoint
    // Before anything is awaited: a shard that meets this lane meanwhile is let in where the step ends, so there it must have waited.
    const checkpoint = lane.aim(until, stretch)
    const folded = rules.projector === undefined ? fold(stretch, until, rules) : await foldProjected(stretch, until, rules, signal)
    report.read(folded.records)
    steering.took(folded.records)
    const letters = await deadLetters.add(this.#partition, folded.faulty, signal)
    for (const letter of letters) report.deadLetter(letter.reason)
    if (letters.length > 0) failPoint('pipeline/letters-written')
    await deadLetters.resolve(this.#partition, folded.ops, signal)
    signal.throwIfAborted()
    if (from < checkpoint.position || lane.stale(checkpoint, RENEW_AT_END_MS)) {
      await this.#apply(lane, { partition: this.#partition, from, vouched, checkpoint, ops: folded.ops })
      failPoint('pipeline/applied')
      lane.arrive(checkpoint)
    }
    for (const shard of lane.shards) report.stands(this.#partition, shard, lane.position, stretch.endOffset, folded.lastTimestampMs)
  }

  /** Gives each shard its part. One that doesn't take it, or answers late, leaves the lane and finds a place again. */
  async #apply(lane: Lane, batch: Batch): Promise<void> {
    const parts = split(batch.ops, this.#context.backend)
    const pending = new Map<string, Promise<void>>()
    for (const shard of lane.shards) {
      const ops = parts.get(shard) ?? []
      const giving = this.#give(shard, { ...batch, ops }).then(outcome => {
        pending.delete(shard)
        if (outcome.kind !== 'applied') lane.shards.delete(shard)
        this.#settle(shard, outcome, batch, lane)
      })
      pending.set(shard, giving)
      this.#spawn(giving)
    }
    if (pending.size === 0) return
    await Promise.race(pending.values())
    if (pending.size === 0) return
    await within(STRAGGLER_MS, Promise.all(pending.values()))
    for (const shard of pending.keys()) lane.shards.delete(shard)
  }

  async #give(shard: string, batch: Batch): Promise<ShardOutcome> {
    const startedMs = performance.now()
    const outcome = await this.#context.writer.apply(shard, batch)
    this.#context.report.answered(shard, outcome.kind, (performance.now() - startedMs) / 1000, batch.ops)
    return outcome
  }

  #settle(shard: string, outcome: ShardOutcome, batch: Batch, lane: Lane): void {
    switch (outcome.kind) {
      case 'applied':
        this.#failing.delete(shard)
        this.#context.report.up(shard)
        this.#context.applied(shard)
        // It came too late for its lane, which went on without it.
        if (!lane.shards.has(shard)) this.#spawn(this.#place(shard))
        return
      case 'foreign':
        throw foreignShard(this.#context.generation, shard, outcome.found)
      case 'refused':
        throw refusedBy(shard, batch, outcome.cause)
      case 'unavailable':
        this.#context.report.waiting(shard, messageOf(outcome.cause))
        this.#spawn(this.#placeLater(shard))
        return
      case 'lost':
        // Later, as it may say something else when it is asked where it stands.
        this.#context.report.waiting(shard, 'it does not hold this view, or no longer')
        this.#spawn(this.#placeLater(shard))
        return
      default:
        this.#spawn(this.#place(shard))
    }
  }

  /**
   * The lane that stands, or will stand, where this one stands now, and vouches for as much: joined with one that vouches for less, shards
   * would take back what they have vouched for.
   */
  #meeting(lane: Lane): Lane | undefined {
    const { position, vouched } = lane.checkpoint
    return [...this.#lanes].find(other => other !== lane && other.target === position && vouchedAt(other.hole, position) === vouched)
  }

  /** How far a lane may fold to meet the next one. Behind a hole it couldn't join, so it isn't held up, and may even pass. */
  #nextAhead(lane: Lane): Offset {
    if (lane.hole !== undefined) return Number.POSITIVE_INFINITY
    const targets = [...this.#lanes].filter(other => other !== lane && other.target > lane.position).map(other => other.target)
    return Math.min(Number.POSITIVE_INFINITY, ...targets)
  }

  /** The lane ahead that its stretch was cut for is gone: read on from where it stands, with a reader that hasn't read past it. */
  #replace(lane: Lane): void {
    const shards = lane.leave()
    const { log, topic } = this.#context
    const reader = log.reader(topic, this.#partition, lane.position, lane.checkpoint.leaderEpoch)
    const next = new Lane(reader, shards, lane.checkpoint, lane.hole)
    this.#lanes.add(next)
    this.#spawn(this.#run(next))
  }
}

function split(ops: readonly ViewOp[], backend: ViewBackend): ReadonlyMap<string, readonly ViewOp[]> {
  const [only, ...others] = backend.shards
  if (only !== undefined && others.length === 0) return new Map([[only, ops]])
  return Map.groupBy(ops, op => backend.owner(op.id))
}

async function within(ms: number, done: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, ms)
  await Promise.race([done, late.promise])
  clearTimeout(timer)
}
