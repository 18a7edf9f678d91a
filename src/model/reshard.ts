import type { Until } from './until.ts'
import type { ViewStatus } from './view-status.ts'

/** What an operator can do with the generations of a view. `src/generations/SPEC.md` tells what each does. */
export const reshardVerbs = ['create', 'rebuild', 'verify', 'switch', 'reverse', 'complete', 'cancel', 'pause', 'resume'] as const
export type ReshardVerb = (typeof reshardVerbs)[number]

/** Checks that an operator may override, by these names. */
export const forceable = ['not-ready', 'unverified', 'readers', 'left'] as const
export type Forceable = (typeof forceable)[number]

export interface ReshardRequest {
  /** Of `create`: the backend's name in the config; left out, the one that the config names for the view. */
  readonly to?: string | undefined
  /** Of `create`, `rebuild`, and `resume`: how far it goes by itself. */
  readonly until?: Until | undefined
  /** Of `create`, `rebuild`, `resume`: records a second and worker, at most; null: as fast as it can. */
  readonly rate?: number | null | undefined
  /** Only says what it would do. */
  readonly dryRun: boolean
  readonly force: readonly Forceable[]
  /** Who asks, for people. */
  readonly by?: string | undefined
}

/** One thing that has to be so before the command is sent. */
export interface ReshardCheck {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly remedy: string | null
  /** It isn't ok, and was overridden. */
  readonly forced: boolean
}

/** What a new generation would come to. Estimates, from what serves now. */
export interface ReshardPlan {
  readonly generation: number
  readonly from: PlannedBackend | null
  readonly to: PlannedBackend
  /** Of the entries, how many would stand on another server name than now: 0 to 1. Null where it can't be told. */
  readonly movedShare: number | null
  /** Entries of the fullest shard by those of the average one. Null where there is one shard, or none is known. */
  readonly skew: number | null
  /** Records that would be read. */
  readonly records: number | null
  /** At the rate that was asked for; null where none was, or the records aren't known. */
  readonly etaSeconds: number | null
  /** What would go wrong or needs a look: too little memory, deletes that may be missed. */
  readonly warnings: readonly string[]
}

export interface PlannedBackend {
  readonly backend: string
  readonly shards: readonly PlannedShard[]
}

export interface PlannedShard {
  readonly shard: string
  readonly entries: number | null
  readonly bytes: number | null
  /** Of its server, now; null where the store can't tell. */
  readonly usedBytes: number | null
  readonly limitBytes: number | null
}

/** What became of a command that was asked for. One that doesn't fit is `command-refused`, with the checks that it failed as `errors`. */
export interface ReshardAnswer {
  readonly view: string
  readonly verb: ReshardVerb
  /** The generation that is meant. */
  readonly generation: number
  /** accepted: the command stands in the control topic. would: it was a dry run. nothing: it is so already. */
  readonly outcome: 'accepted' | 'would' | 'nothing'
  readonly checks: readonly ReshardCheck[]
  /** Of a dry run of `create` and `rebuild`. */
  readonly plan: ReshardPlan | null
  /** As it is now. */
  readonly status: ViewStatus
}
