import type { Offset } from '../model/record.ts'
import type { Difference, RepairableKind } from '../model/verify-status.ts'

/** What the scratch and its thread say to each other, and what outlives a process. */

/** What a scratch was made for; another one is begun anew. */
export interface Purpose {
  readonly format: 1
  readonly view: string
  readonly number: number
  readonly uid: string
  readonly logId: string
  readonly topicId: string
  readonly definitionHash: string
}

export interface State {
  readonly purpose: Purpose
  readonly phase: 'folding' | 'scanning' | 'settling' | 'done'
  /** The end offsets that everything is compared at first; undefined until the log has told them. */
  readonly ends: readonly Offset[] | undefined
  /** Where, among the entries, those that no scan has seen are yet to be looked for. */
  readonly unseenFrom: number
  /** Times it was begun anew, as what was folded couldn't be folded on. */
  readonly begunAnew: number
}

export const SET = 0
export const DELETED = 1
export const FAULTY = 2

/** The records of a stretch that count: the last of each id that folds, and those that don't. */
export interface FoldedRecords {
  readonly ids: readonly string[]
  readonly offsets: Float64Array
  /** `SET`, `DELETED` or `FAULTY`. */
  readonly kinds: Uint8Array
  readonly digests: Uint8Array
}

export interface ScannedPage {
  readonly ids: readonly string[]
  /** 1: a listed value on the shard that owns the id. */
  readonly whole: Uint8Array
  readonly digests: Uint8Array
}

export interface Suspect {
  readonly id: string
  readonly tries: number
  /** The kind of difference that a repair was written for. */
  readonly mended: RepairableKind | undefined
}

/** What became of a suspect. */
export interface Outcome {
  readonly id: string
  /** It is asked again. */
  readonly again: boolean
  readonly mended?: RepairableKind
  readonly difference?: Difference
}
