import type { Offset } from './record.ts'

/** What can be wrong with an entry, or keeps verify from saying. `src/verify/SPEC.md` tells what each means. */
export const differenceKinds = ['missing', 'extra', 'different', 'wrong-shard', 'two-partitions', 'unresolved', 'unsettled'] as const
export type DifferenceKind = (typeof differenceKinds)[number]

/** Those that a repair mends. */
export const repairableKinds = ['missing', 'extra', 'different', 'wrong-shard'] as const
export type RepairableKind = (typeof repairableKinds)[number]

export interface Difference {
  readonly kind: DifferenceKind
  readonly shard: string
  readonly id: string
  /** Of the key's last record; undefined where the log has none. */
  readonly place: string | undefined
  readonly repaired: boolean
}

export interface KindReport {
  readonly count: number
  readonly repaired: number
  readonly first: readonly Difference[]
}

export type Differences = Readonly<Record<DifferenceKind, KindReport>>

export interface Progress {
  /** Folding: records (offsets); scanning: entries; settling: suspects. */
  readonly done: number
  readonly total: number
  readonly perSecond: number
  /** Until the end of this phase. Null while that can't be told. */
  readonly etaSeconds: number | null
}

export type VerifyPhase = 'folding' | 'waiting' | 'scanning' | 'settling' | 'done' | 'failed' | 'cancelled'

/** What `/admin/views/:view/verify` and `logfold verify` tell, and at the end the report. */
export interface VerifyStatus {
  readonly view: string
  /** `job@1` */
  readonly generation: string
  readonly phase: VerifyPhase
  readonly repair: boolean
  readonly rate: number
  /** Of the phase, or of the last one. */
  readonly progress: Progress
  /** What is waited for now: a store or the log that is away, a shard that is behind. */
  readonly waitingFor: string | null
  /** The end offsets, one a partition, that everything was compared at first. */
  readonly ends: readonly Offset[] | null
  /** Times that it was begun anew, as it might have missed deletes. */
  readonly begunAnew: number
  readonly differences: Differences
  /** Differences that stand unrepaired, unresolved keys not counted: 0 at the end means that the store is as the log says. */
  readonly left: number
  /** Why it failed. Asked again, it goes on where it stopped. */
  readonly failure: { readonly code: string; readonly detail: string; readonly remedy: string | null } | null
}

/** As the status of a view has it. */
export type VerifyInShort = Pick<VerifyStatus, 'phase' | 'repair' | 'progress' | 'waitingFor' | 'left' | 'failure'>

export const inShort = ({ phase, repair, progress, waitingFor, left, failure }: VerifyStatus): VerifyInShort => ({
  phase,
  repair,
  progress,
  waitingFor,
  left,
  failure,
})

export const isOver = ({ phase }: Pick<VerifyStatus, 'phase'>): boolean => phase === 'done' || phase === 'failed' || phase === 'cancelled'
