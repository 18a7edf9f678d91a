import { messageOf } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import type { RepairableKind } from '../model/verify-status.ts'
import type { Checkpoint, ViewOp } from '../model/view-backend.ts'
import { type Expected, isUnresolved, lastOffset } from './difference.ts'
import type { LogFold } from './log-fold.ts'
import type { Scratch } from './scratch.ts'
import type { Shards } from './shards.ts'
import { type ValueSource, valuesAt } from './values.ts'

/** Values of one batch. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024
/** A shard that takes batches one after another has moved on nearly each time; the checkpoint of its refusal is good for the next try. */
const TRIES_MAX = 20

/** What is wrong, and what the log said when that was found. */
export interface Fault {
  readonly id: string
  readonly kind: RepairableKind
  readonly expected: Expected | undefined
}

/** mended: written, to be looked at again. later: something moved. never: it can't be mended. */
export type RepairOutcome = 'mended' | 'later' | 'never'

interface RepairOptions extends ValueSource {
  readonly scratch: Scratch
  readonly logFold: LogFold
  readonly shards: Shards
  readonly logger: Logger
}

/** Mends what is wrong on a shard, each batch only at a checkpoint whose fold is known. */
export class Repair {
  readonly #options: RepairOptions

  constructor(options: RepairOptions) {
    this.#options = options
  }

  async mend(shard: string, faults: readonly Fault[]): Promise<ReadonlyMap<string, RepairOutcome>> {
    const outcomes = new Map<string, RepairOutcome>(faults.map(({ id }) => [id, 'never']))
    const byPartition = Map.groupBy(faults, fault => this.#partitionOf(fault))
    byPartition.delete(undefined)
    for (const [partition = 0, some] of byPartition) {
      for (const { id } of some) outcomes.set(id, 'later')
      for await (const ops of this.#batches(partition, some)) {
        const given = new Map(some.map(fault => [fault.id, fault]))
        for (const [id, outcome] of await this.#write(shard, partition, ops, given)) outcomes.set(id, outcome)
      }
    }
    return outcomes
  }

  /**
   * The partition whose checkpoint guards the repair: the one that the key's next record will come in. Undefined where that isn't known: a record in
   * another partition would slip through. On a shard that isn't the id's own no record of it comes, so any will do.
   */
  #partitionOf({ id, kind, expected }: Fault): number | undefined {
    const { rules, topic } = this.#options
    if (expected !== undefined) return expected.partition
    if (rules.partitioner !== undefined) return rules.partitioner.partitionOf(Buffer.from(id), rules.partitioner.partitions)
    return topic.partitions === 1 || kind === 'wrong-shard' ? 0 : undefined
  }

  async *#batches(partition: number, faults: readonly Fault[]): AsyncGenerator<readonly ViewOp[]> {
    const dels = faults.filter(({ kind }) => kind === 'extra' || kind === 'wrong-shard')
    if (dels.length > 0) yield dels.map(({ id, expected }) => ({ kind: 'del', id, offset: expected?.offset ?? 0 }) satisfies ViewOp)
    const sets = faults.filter(fault => !dels.includes(fault))
    const offsets = sets.map(({ expected }) => expected?.offset ?? -1).sort((a, b) => a - b)
    let ops: ViewOp[] = []
    let bytes = 0
    for await (const op of valuesAt(this.#options, partition, offsets)) {
      ops.push(op)
      bytes += op.value.end - op.value.start
      if (bytes < BATCH_BYTES_MAX) continue
      yield ops
      ops = []
      bytes = 0
    }
    if (ops.length > 0) yield ops
  }

  /** Writes at whatever checkpoint the shard has by then, as long as the log is known up to there and says the same of these keys. */
  async #write(
    shard: string,
    partition: number,
    given: readonly ViewOp[],
    faults: ReadonlyMap<string, Fault>,
  ): Promise<ReadonlyMap<string, RepairOutcome>> {
    const { shards, logger, scratch, patience } = this.#options
    const outcomes = new Map<string, RepairOutcome>(given.map(({ id }) => [id, 'later']))
    let ops = given
    let checkpoint = await shards.checkpoint(shard, partition)
    let known: Offset = -1
    for (let tries = 0; tries < TRIES_MAX && ops.length > 0 && checkpoint !== undefined; tries++) {
      patience.signal.throwIfAborted()
      const at: Checkpoint = checkpoint
      // Behind a hole the shard is still being folded; it is looked at again once it vouches for what it has.
      if (at.vouched < at.position) break
      if (at.position > known) {
        await this.#foldPast(partition, at.position)
        ops = await this.#still(ops, faults)
        known = scratch.folded(partition).vouched
      }
      // The shard may have come back with an older state.
      ops = ops.filter(({ id }) => lastOf(faults.get(id)) < at.position)
      if (ops.length === 0) break
      const outcome = await shards.repair(shard, { partition, from: at.position, vouched: at.vouched, checkpoint: at, ops })
      if (outcome.kind === 'applied') return merged(outcomes, ops, 'mended')
      if (outcome.kind === 'refused') {
        logger.error('The store refuses a repair', { shard, partition, first: ops[0]?.id, cause: messageOf(outcome.cause) })
        return merged(outcomes, ops, 'never')
      }
      checkpoint = outcome.kind === 'elsewhere' ? outcome.checkpoint : undefined
    }
    return outcomes
  }

  /** To the end of the log, so that the shard's next checkpoints are known too. */
  async #foldPast(partition: number, position: Offset): Promise<void> {
    const { logFold } = this.#options
    const ends = await logFold.ends()
    await logFold.to(partition, Math.max(position, ends[partition] ?? 0))
  }

  /** The ops whose keys have no record since. */
  async #still(ops: readonly ViewOp[], faults: ReadonlyMap<string, Fault>): Promise<readonly ViewOp[]> {
    const now = await this.#options.scratch.expected(ops.map(({ id }) => id))
    return ops.filter(({ id }, nth) => {
      const fault = faults.get(id)
      // No record of it concerns the shard that isn't its own.
      if (fault?.kind === 'wrong-shard') return true
      const found = now[nth]
      if (found === undefined || fault?.expected === undefined) return found === fault?.expected
      return lastOffset(found) === lastOffset(fault.expected) && !found.inTwoPartitions && !isUnresolved(found)
    })
  }
}

/** -1 where no record concerns the shard. */
const lastOf = (fault: Fault | undefined): Offset => (fault?.expected === undefined || fault.kind === 'wrong-shard' ? -1 : lastOffset(fault.expected))

function merged(outcomes: Map<string, RepairOutcome>, ops: readonly ViewOp[], outcome: RepairOutcome): ReadonlyMap<string, RepairOutcome> {
  for (const { id } of ops) outcomes.set(id, outcome)
  return outcomes
}
