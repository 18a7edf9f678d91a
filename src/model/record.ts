/**
 * Words of the log.
 *
 * - record: key and value at one offset of one partition of a topic. A tombstone is a record with a null value.
 * - offset: a record's number in its partition, from 0, never given twice.
 * - position: the next offset to fold.
 * - end offset: one past the last stable record, so that an open transaction is not waited for.
 * - lag: end offset minus position, in records.
 * - hole: offsets that compaction removed. A removed record has a successor with the same key at a higher offset (or was a tombstone
 *   past its retention), so a fold that stopped right behind a hole may lack that successor.
 */

/**
 * A record's number in its partition; as a position or an end offset, also that of a record yet to come. A safe integer: Kafka's offsets have 64
 * bits, but 2^53 records in one partition are a million records a second for 285 years. A log that meets a larger one throws instead of rounding.
 */
export type Offset = number

/** Bytes inside a larger buffer, so that a fetched record needs no copy until a store takes it. */
export interface Slice {
  readonly buffer: Uint8Array
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/**
 * Walks over fetched records without an object a record: `next` moves on, the fields describe where it stands. The buffers
 * stay as they are for as long as somebody holds them, so slices may be kept; the cursor itself is used again for each record.
 */
export interface RecordCursor {
  /** Moves to the next record. False at the end, where the fields mean nothing. */
  next(): boolean
  readonly offset: Offset
  /** Milliseconds since the epoch. */
  readonly timestampMs: number
  readonly buffer: Uint8Array
  readonly keyStart: number
  /** Exclusive; -1 for a null key. */
  readonly keyEnd: number
  readonly valueStart: number
  /** Exclusive; -1 for a null value (a tombstone). */
  readonly valueEnd: number
}

/** What one fetch brought of one partition. */
export interface Stretch {
  readonly partition: number
  /** The position asked for. */
  readonly from: Offset
  /** The position after what was read, whatever holes it has. Equal to `from` when there was nothing to read. */
  readonly next: Offset
  /** The partition's end offset as it was in the same round trip. `next === endOffset` means caught up. */
  readonly endOffset: Offset
  /** The first offset in `[from, next)` that compaction removed. Undefined without a hole. Control records are no holes. */
  readonly hole: Offset | undefined
  /**
   * The highest offset of a tombstone that compaction has removed for its age, as of the same round trip; -1 where there is none, or the log can't
   * tell. Somebody a fold that stands at `from`, not at 0, and began when it was lower, may lack the deletes in between.
   */
  readonly tombstonesRemovedTo: Offset
  /**
   * Where the log can't tell `tombstonesRemovedTo`: how long a tombstone stays at least. A fold that has been neither at 0 nor at the end for longer
   * may lack deletes. Milliseconds; `Infinity` where it can tell.
   */
  readonly tombstonesKeptMs: number
  /** When the log was asked: not later than the moment that `endOffset` tells of. Milliseconds since the epoch. */
  readonly askedAtMs: number
  /** Epoch of the leader that wrote the last record below `next`; -1 where the log has none. */
  readonly leaderEpoch: number
  /** Bytes held by the stretch, for bounding what is under way. */
  readonly bytes: number
  /** A new walk over the records, in order of offset. */
  records(): RecordCursor
}

/** A record to append. Its partition was chosen before, so that its offset is known when the log answers. */
export interface NewRecord {
  readonly partition: number
  /** Null folds nowhere, and only the embedded log takes it: Kafka refuses it in a compacted topic. */
  readonly key: Uint8Array | null
  /** Null is a tombstone. */
  readonly value: Uint8Array | null
}

/** Writes a record's place as REST does: `partition:offset`. */
export const formatPlace = (partition: number, offset: Offset): string => `${partition}:${offset}`

/** What is missing up to where the partitions end, of what is vouched for. Each by itself: what is beyond an end makes up for nothing elsewhere. */
export const lagOf = (vouched: readonly Offset[], ends: readonly Offset[]): number =>
  ends.reduce((sum, end, partition) => sum + Math.max(0, end - (vouched[partition] ?? 0)), 0)
