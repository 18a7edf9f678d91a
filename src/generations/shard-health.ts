import { isAnswer, isLogfoldError, type LogfoldError, messageOf } from '../model/errors.ts'
import { pause } from '../model/pause.ts'
import type { Offset } from '../model/record.ts'
import type { ViewReader } from '../model/view-backend.ts'

const LOOK_DELAY_MS = 1_000
/** While it can't be read, so that it is read soon after it can. */
const LOOK_DELAY_UNWELL_MS = 200

/**
 * What a process knows of one shard of a generation.
 * - unknown: it was not looked at yet.
 * - up: it answers, and is filled.
 * - folding: it was opened, and isn't filled yet: it is new, or lost its data.
 * - behind: it vouches for less than it once did: an older state of it was brought back.
 * - away: it doesn't answer, or doesn't hold the generation.
 */
export type Health =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'up' }
  | { readonly kind: 'folding' | 'behind'; readonly progress: Progress | undefined }
  | { readonly kind: 'away'; readonly error: LogfoldError }

/** In offsets, summed over the partitions. */
export interface Progress {
  readonly done: Offset
  readonly total: Offset
}

/** Undefined while the log, which knows the total, is away. */
export function formatProgress(progress: Progress | undefined): string {
  if (progress === undefined) return 'it is not known how far, as the log is away'
  const { done, total } = progress
  return `${done} of ${total} offsets (${total === 0 ? 100 : Math.floor((100 * done) / total)} %) so far`
}

export function formatHealth(health: Health): string {
  switch (health.kind) {
    case 'folding':
      return `it is being folded, ${formatProgress(health.progress)}`
    case 'behind':
      return `it came back with an older state and catches up, ${formatProgress(health.progress)}`
    case 'away':
      return messageOf(health.error)
    default:
      return health.kind
  }
}

interface ShardHealthOptions {
  readonly reader: ViewReader
  /** Of the view's topic. */
  readonly endOffsets: () => Promise<readonly Offset[]>
  /** It was looked at; what was found may be as before. */
  readonly looked: () => void
  /** Ends the looking. */
  readonly signal: AbortSignal
}

/**
 * Looks at one shard each second, so that a loss is known where nobody reads or writes. What it once vouched for is remembered: a backup that
 * was restored, or a replica that lagged and was promoted, has an identity and checkpoints, only older ones. What was vouched for after the
 * last look, and told to nobody, isn't missed.
 */
export class ShardHealth {
  readonly shard: string
  readonly #options: ShardHealthOptions
  /** Highest vouched positions seen, one a partition. */
  #highest: readonly Offset[] = []
  #vouched: readonly Offset[] | undefined
  #now: Health = { kind: 'unknown' }
  #doubtful = Promise.withResolvers<void>()

  constructor(shard: string, options: ShardHealthOptions) {
    this.shard = shard
    this.#options = options
  }

  get now(): Health {
    return this.#now
  }

  /** What it vouched for when it last answered, one a partition; undefined before. */
  get vouched(): readonly Offset[] | undefined {
    return this.#vouched
  }

  /** Somebody was told that the shard vouches for so much. */
  saw(vouched: readonly Offset[]): void {
    if (this.#now.kind === 'up') this.#highest = higher(vouched, this.#highest)
  }

  /** A read met something that doesn't fit: the next look comes at once. */
  doubt(): void {
    this.#doubtful.resolve()
  }

  /** Settles once the signal has ended it. @throws bugs */
  async watch(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      this.#doubtful = Promise.withResolvers()
      this.#now = await this.#look()
      this.#options.looked()
      if (this.#now.kind === 'up') await Promise.race([this.#doubtful.promise, pause(LOOK_DELAY_MS, signal)])
      else await pause(LOOK_DELAY_UNWELL_MS, signal)
    }
  }

  async #look(): Promise<Health> {
    const { reader } = this.#options
    try {
      // In this order: what is filled now vouches, a moment later, for at least that much.
      const filled = await reader.filled(this.shard)
      // What others saw while this answer was under way, may be newer than it.
      const highest = this.#highest
      const vouched = await reader.vouched(this.shard)
      this.#vouched = vouched
      if (!filled) return { kind: 'folding', progress: await this.#foldingProgress(vouched) }
      const behind = highest.some((position, partition) => (vouched[partition] ?? 0) < position)
      if (behind) return { kind: 'behind', progress: progressOf(vouched, highest) }
      this.#highest = higher(vouched, this.#highest)
      return { kind: 'up' }
    } catch (error) {
      if (!isAnswer(error)) throw error
      return { kind: 'away', error }
    }
  }

  async #foldingProgress(vouched: readonly Offset[]): Promise<Progress | undefined> {
    try {
      return progressOf(vouched, await this.#options.endOffsets())
    } catch (error) {
      if (isLogfoldError(error, 'log-unavailable')) return undefined
      throw error
    }
  }
}

const higher = (a: readonly Offset[], b: readonly Offset[]): readonly Offset[] =>
  a.map((position, partition) => Math.max(position, b[partition] ?? 0))

/** Each partition counts up to its total: what is beyond makes up for nothing elsewhere. */
const progressOf = (vouched: readonly Offset[], totals: readonly Offset[]): Progress => ({
  done: totals.reduce((sum, total, partition) => sum + Math.min(total, vouched[partition] ?? 0), 0),
  total: totals.reduce((sum, total) => sum + total, 0),
})
