import { hash } from 'node:crypto'
import { formatPlace, type Offset, type Slice } from '../model/record.ts'
import { type DifferenceKind, type RepairableKind, repairableKinds } from '../model/verify-status.ts'
import type { Checkpoint, Found } from '../model/view-backend.ts'

export const isRepairable = (kind: string): kind is RepairableKind => (repairableKinds as readonly string[]).includes(kind)

/** What the log says of an id, as far as it is folded. */
export interface Expected {
  readonly partition: number
  /** Of the last record that folds; -1 where there is none. */
  readonly offset: Offset
  /** Of the last record that doesn't fold; -1 where there is none. */
  readonly faultyOffset: Offset
  readonly inTwoPartitions: boolean
  /** Undefined: deleted, or no record of it folds. */
  readonly digest: Uint8Array | undefined
}

export const DIGEST_BYTES = 16

/** Long enough that nobody finds two values of one digest. */
export const digestOf = ({ buffer, start, end }: Slice): Uint8Array => hash('sha256', buffer.subarray(start, end), 'buffer').subarray(0, DIGEST_BYTES)

export const digestOfValue = (value: Uint8Array): Uint8Array => digestOf({ buffer: value, start: 0, end: value.length })

export const lastOffset = ({ offset, faultyOffset }: Expected): Offset => Math.max(offset, faultyOffset)

export const isUnresolved = ({ offset, faultyOffset }: Expected): boolean => faultyOffset > offset

export const placeOf = (expected: Expected | undefined): string | undefined => expected && formatPlace(expected.partition, lastOffset(expected))

export type Judgement = 'agrees' | 'undecided' | Exclude<DifferenceKind, 'wrong-shard' | 'unsettled'>

/**
 * What an id's own shard holds, against the log. `checkpoints` are the shard's at the moment it was looked at, and the log was folded at least to
 * their positions since. Undecided: the shard doesn't vouch for the key's last record yet, or that came after the look.
 */
export function judge(expected: Expected | undefined, found: Found, checkpoints: readonly Checkpoint[]): Judgement {
  if (expected?.inTwoPartitions) return 'two-partitions'
  if (expected !== undefined && isUnresolved(expected)) return 'unresolved'
  const kind = compare(expected?.digest, found)
  if (kind === 'agrees' || expected === undefined) return kind
  return expected.offset < (checkpoints[expected.partition]?.vouched ?? 0) ? kind : 'undecided'
}

/** @param digest undefined where nothing is expected */
function compare(digest: Uint8Array | undefined, { value, listed }: Found): 'agrees' | 'missing' | 'extra' | 'different' {
  if (digest === undefined) return value === undefined && !listed ? 'agrees' : 'extra'
  if (value === undefined || !listed) return 'missing'
  return Buffer.compare(digest, digestOfValue(value)) === 0 ? 'agrees' : 'different'
}
