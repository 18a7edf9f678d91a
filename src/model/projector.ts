import type { Fault } from './fault.ts'
import type { Slice } from './record.ts'
import type { SetOp } from './view-backend.ts'

/** What a projection made of a record. */
export type Projected =
  | { readonly kind: 'value'; readonly value: Slice }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'fault'; readonly fault: Fault }

/** Runs a view's projection. */
export interface Projector {
  /**
   * One answer a record, in order. Whatever the projection does is an answer; it may take seconds a record that it doesn't come to an end with.
   * @param records whose values are of the view's format
   * @throws the signal's reason, at once; closed
   */
  project(records: readonly SetOp[], signal: AbortSignal): Promise<readonly Projected[]>
  /** Ends it, also in the middle of a record. */
  close(): Promise<void>
}
