import type { Metrics } from '../metrics/metrics.ts'
import type { Generation } from '../model/generation.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import type { ShardOutcome, ViewOp } from '../model/view-backend.ts'

/** How long a partition may stand still behind its end before its worker is no longer ready. */
const STANDSTILL_MS = 30_000

export interface PartitionStatus {
  readonly partition: number
  /** Lowest over the shards; undefined until each has been found. */
  readonly position: Offset | undefined
  readonly endOffset: Offset | undefined
  readonly lagRecords: number | undefined
}

export interface ShardStatus {
  readonly shard: string
  readonly state: 'up' | 'waiting'
  /** Why it is waited for. */
  readonly detail: string | undefined
}

interface PartitionState {
  readonly positions: Map<string, Offset>
  /** The end offset seen when the partition was assigned; undefined until the log has told it. */
  startEnd: Offset | undefined
  endOffset: Offset | undefined
  movedAtMs: number
}

/** What a pipeline tells the outside: metrics, the status document, readiness, and the log lines about its shards. The one place for that state. */
export class Report {
  readonly #metrics: Metrics
  readonly #logger: Logger
  readonly #shards: readonly string[]
  readonly #labels: { readonly view: string; readonly generation: string }
  readonly #partitions = new Map<number, PartitionState>()
  readonly #waiting = new Map<string, string>()

  constructor(metrics: Metrics, logger: Logger, generation: Generation, shards: readonly string[]) {
    this.#shards = shards
    this.#metrics = metrics
    this.#logger = logger
    this.#labels = { view: generation.view, generation: String(generation.number) }
  }

  assigned(partition: number): void {
    this.#partitions.set(partition, { positions: new Map(), startEnd: undefined, endOffset: undefined, movedAtMs: Date.now() })
  }

  /** The log has told where the partition ends. */
  ends(partition: number, end: Offset): void {
    const state = this.#partitions.get(partition)
    if (state !== undefined) state.startEnd ??= end
  }

  /** It is told to go on, or to go otherwise: that it stood still, or went slowly, until now says nothing of what comes. */
  steered(): void {
    for (const state of this.#partitions.values()) state.movedAtMs = Date.now()
  }

  /** The partition moved away: its series go. */
  revoked(partition: number): void {
    this.#partitions.delete(partition)
    const labels = { ...this.#labels, partition }
    this.#metrics.position.remove(labels)
    this.#metrics.lagRecords.remove(labels)
    this.#metrics.lagSeconds.remove(labels)
  }

  read(records: number): void {
    if (records > 0) this.#metrics.recordsRead.inc(this.#labels, records)
  }

  deadLetter(reason: string): void {
    this.#metrics.deadLetters.inc({ view: this.#labels.view, reason })
  }

  answered(shard: string, outcome: ShardOutcome['kind'], seconds: number, ops: readonly ViewOp[]): void {
    this.#metrics.batches.inc({ ...this.#labels, shard, outcome })
    if (outcome !== 'applied') return
    this.#metrics.applyDuration.observe({ view: this.#labels.view, shard }, seconds)
    let sets = 0
    for (const op of ops) if (op.kind === 'set') sets++
    this.#metrics.opsApplied.inc({ ...this.#labels, op: 'set' }, sets)
    this.#metrics.opsApplied.inc({ ...this.#labels, op: 'del' }, ops.length - sets)
  }

  /** Where a shard stands in a partition, and how old the last record below is. */
  stands(partition: number, shard: string, position: Offset, endOffset: Offset | undefined, timestampMs: number | undefined): void {
    const state = this.#partitions.get(partition)
    if (state === undefined) return
    const before = this.#lowest(state)
    state.positions.set(shard, position)
    if (endOffset !== undefined) state.endOffset = endOffset
    const now = this.#lowest(state)
    if (now !== before || now === state.endOffset) state.movedAtMs = Date.now()
    if (now !== undefined) this.#gauge(partition, state, now, timestampMs)
  }

  waiting(shard: string, detail: string): void {
    const known = this.#waiting.has(shard)
    this.#waiting.set(shard, detail)
    if (!known) this.#logger.warn('A shard does not take its batches; the others go on, and it is tried again', { shard, detail })
  }

  up(shard: string): void {
    if (this.#waiting.delete(shard)) this.#logger.info('The shard is back', { shard })
  }

  partitions(): readonly PartitionStatus[] {
    return [...this.#partitions].map(([partition, state]) => {
      const position = this.#lowest(state)
      const lagRecords = state.endOffset === undefined || position === undefined ? undefined : state.endOffset - position
      return { partition, position, endOffset: state.endOffset, lagRecords }
    })
  }

  shards(): readonly ShardStatus[] {
    return this.#shards.map(shard => {
      const detail = this.#waiting.get(shard)
      return { shard, state: detail === undefined ? 'up' : 'waiting', detail }
    })
  }

  /** Why this worker isn't ready; undefined when it is. */
  unready(): string | undefined {
    for (const [partition, state] of this.#partitions) {
      const position = this.#lowest(state)
      if (position === undefined) return `partition ${partition}: not every shard has been found yet`
      if (state.startEnd === undefined) return `partition ${partition}: the log has not told yet where it ends`
      if (position < state.startEnd)
        return `partition ${partition} has folded ${position} of the ${state.startEnd} records that were there at the start`
      const behind = state.endOffset !== undefined && position < state.endOffset
      if (behind && Date.now() - state.movedAtMs > STANDSTILL_MS) {
        return `partition ${partition} has stood at ${position} for over ${STANDSTILL_MS / 1000} s, behind its end ${state.endOffset}`
      }
    }
    return undefined
  }

  #gauge(partition: number, state: PartitionState, position: Offset, timestampMs: number | undefined): void {
    const labels = { ...this.#labels, partition }
    this.#metrics.position.set(labels, position)
    if (state.endOffset === undefined) return
    const lag = state.endOffset - position
    this.#metrics.lagRecords.set(labels, lag)
    if (lag === 0) this.#metrics.lagSeconds.set(labels, 0)
    else if (timestampMs !== undefined) this.#metrics.lagSeconds.set(labels, Math.max(0, Date.now() - timestampMs) / 1000)
  }

  #lowest(state: PartitionState): Offset | undefined {
    return state.positions.size < this.#shards.length ? undefined : Math.min(...state.positions.values())
  }
}
