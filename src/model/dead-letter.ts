import type { FaultReason } from './fault.ts'
import type { Offset } from './record.ts'

/**
 * A record that can't be folded, kept with its reason in the topic `<namespace>.<view>.dead`, compacted, under the key
 * `<generation>:<partition>:<offset>`. Its id is *unresolved* until a later record of the same key folds: until then the store keeps the old value.
 */
export interface DeadLetter {
  /** `generation:partition:offset`, also its key in the topic. */
  readonly letter: string
  readonly generation: number
  readonly partition: number
  readonly offset: Offset
  /** The record's time. Milliseconds since the epoch. */
  readonly timestampMs: number
  readonly reason: FaultReason
  readonly detail: string
  /** The key as REST would see it; undefined where it is no id. */
  readonly id: string | undefined
  /** Undefined for a null key. */
  readonly keyBytes: number | undefined
  /** Undefined for a tombstone, whose key is then at fault. */
  readonly valueBytes: number | undefined
  /** Place of the later record that folded; undefined while the id is unresolved. Always undefined where the key is no id. */
  readonly resolvedBy: string | undefined
}

export interface DeadLetterWithBytes extends DeadLetter {
  /** Null where the record had a null key. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** What the API and the admin listener may know of a view's dead letters: a fold of their topic, a moment behind it. */
export interface DeadLetterReader {
  unresolved(id: string): boolean
  /** By generation, partition and offset. `after` is a `letter`. `complete` is false where there are more than `total`. */
  list(options: { readonly after?: string | undefined; readonly limit: number }): {
    readonly letters: readonly DeadLetter[]
    readonly total: number
    readonly complete: boolean
  }
  /** @throws no-such-dead-letter */
  show(letter: string): Promise<DeadLetterWithBytes>
}
