import type { Offset } from './record.ts'
import type { Until } from './until.ts'
import type { VerifyInShort } from './verify-status.ts'

/** What `GET /admin/views/:view` and `logfold status` tell of a view. Read from log and store, so every process tells the same. */
export interface ViewStatus {
  readonly view: string
  readonly state: 'serving' | 'folding' | 'stopped' | 'waiting'
  /** The generation that serves; null while none does. */
  readonly generation: number | null
  readonly topic: string
  readonly backend: string
  readonly format: string
  readonly writable: boolean
  /** Whether this process folds the view. */
  readonly worker: boolean
  /** Members of the group that folds it, in all processes; null where that can't be told. */
  readonly workers: number | null
  /** Null where log or store don't answer. */
  readonly lagRecords: number | null
  readonly partitions: readonly { readonly partition: number; readonly position: Offset | null; readonly endOffset: Offset | null }[]
  readonly shards: readonly { readonly shard: string; readonly state: string; readonly entries: number | null; readonly detail: string | null }[]
  readonly deadLetters: number | null
  /**
   * The verify under way in this process, or its last one. `left`: differences that aren't mended; they go on
   * being looked for until the phase is `done`.
   */
  readonly verify: VerifyInShort | null
  readonly problem: Problem | null
  /** What the config says of the view and the generation that serves isn't made by, with the command that makes it so; null where they agree. */
  readonly differs: { readonly detail: string; readonly command: string } | null
  /** In the order of their numbers; the one that serves among them. */
  readonly generations: readonly GenerationStatus[]
  readonly next_steps: readonly string[]
}

/** A view that has generations, though no config names it: nobody folds it or answers from it, and what it has in its stores stays there. */
export interface UnconfiguredView {
  readonly view: string
  /** In the order of their numbers; by the commands alone. */
  readonly generations: readonly { readonly number: number; readonly role: 'next' | 'serving' | 'previous' | 'leaving'; readonly backend: string }[]
  readonly next_steps: readonly string[]
}

export interface Problem {
  readonly code: string
  readonly detail: string
  readonly remedy: string | null
}

/**
 * - building: folded, and not verified yet
 * - verified: no difference was found, and no shard was folded anew since
 * - serving: reads are answered from it
 * - previous: served before, and is still fed, so that going back is instant
 * - leaving: is taken away
 */
export type GenerationPhase = 'building' | 'verified' | 'serving' | 'previous' | 'leaving'

export interface GenerationStatus {
  readonly number: number
  readonly phase: GenerationPhase
  readonly backend: string
  /** How far it goes by itself; null where that has no meaning any more. */
  readonly until: Until | null
  readonly paused: boolean
  /** Why it was paused, where that was said. */
  readonly why: string | null
  /** Records a second and worker, at most; null: as fast as it can. */
  readonly rate: number | null
  /** How far the store vouches for, of where the log ends, over all partitions; null where log or store don't answer. */
  readonly progress: BuildProgress | null
  readonly lagRecords: number | null
  /**
   * How long the topic keeps deletes: a build that takes longer misses some, and is paused. Milliseconds; null
   * where the log tells exactly what it removed.
   */
  readonly deletesKeptMs: number | null
  readonly shards: readonly GenerationShard[]
  /** Members of the group that folds it, in all processes; null where that can't be told. */
  readonly workers: number | null
  /** Live processes that answer reads from it, `host/pid`; null where that isn't known. */
  readonly readers: readonly string[] | null
  /** The verification that stands; null where there was none. `void`: a shard was folded anew since. */
  readonly verification: { readonly differences: number; readonly unresolved: number; readonly void: boolean } | null
  /** The verify that is under way in this process, or ended here last. */
  readonly verify: VerifyInShort | null
  /** Why it can't be read or folded here. */
  readonly problem: Problem | null
}

export interface BuildProgress {
  /** Offsets. */
  readonly done: number
  readonly total: number
  /** Over the last seconds; 0 where it stands. */
  readonly perSecond: number
  /** Until it is where the log ends; null while that can't be told. */
  readonly etaSeconds: number | null
  readonly partitions: readonly { readonly partition: number; readonly position: Offset; readonly endOffset: Offset }[]
}

export interface GenerationShard {
  readonly shard: string
  readonly state: string
  readonly entries: number | null
  /** Null where the store can't tell. */
  readonly bytes: number | null
  readonly detail: string | null
}
