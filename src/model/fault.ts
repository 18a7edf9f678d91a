import type { ErrorDetail } from './errors.ts'

/**
 * Why a record can't be folded, or a write isn't taken: the same rules, the same names, whether the record
 * came through REST or from another producer.
 */
export type FaultReason =
  | 'key-null'
  | 'key-empty'
  | 'key-not-utf8'
  | 'key-nul'
  | 'key-too-long'
  | 'value-too-large'
  | 'value-not-utf8'
  | 'value-not-json'
  | 'value-nul'
  | 'value-lone-surrogate'
  | 'value-too-deep'
  | 'value-schema-mismatch'
  | 'projection-threw'
  | 'projection-timeout'
  | 'projection-ended'
  | 'projection-result'

export interface Fault {
  readonly reason: FaultReason
  readonly detail: string
  /** Where in the value, for a schema mismatch: JSON pointers. */
  readonly errors?: readonly ErrorDetail[]
}
