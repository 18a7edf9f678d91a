import type { Offset, RecordCursor, Stretch } from '../../model/record.ts'

/** What the reading thread found, in four arrays that move to the other side uncopied. */
export interface PackedStretch {
  readonly next: Offset
  readonly endOffset: Offset
  readonly hole: Offset | undefined
  readonly tombstonesRemovedTo: Offset
  /** One a record. */
  readonly offsets: Float64Array<ArrayBuffer>
  readonly timesMs: Float64Array<ArrayBuffer>
  /** Two a record, of key and value; -1 for null. */
  readonly lengths: Int32Array<ArrayBuffer>
  /** Key, value, key, value … */
  readonly bytes: Uint8Array<ArrayBuffer>
}

export function stretchOf(partition: number, from: Offset, packed: PackedStretch, askedAtMs: number): Stretch {
  const { next, endOffset, hole, tombstonesRemovedTo, offsets, timesMs, lengths, bytes } = packed
  return {
    partition,
    from,
    next,
    endOffset,
    hole,
    tombstonesRemovedTo,
    tombstonesKeptMs: Number.POSITIVE_INFINITY,
    askedAtMs,
    leaderEpoch: -1,
    bytes: bytes.byteLength + offsets.byteLength + timesMs.byteLength + lengths.byteLength,
    records: () => new PackedCursor(packed),
  }
}

class PackedCursor implements RecordCursor {
  readonly #packed: PackedStretch
  #at = 0
  #end = 0
  offset: Offset = -1
  timestampMs = 0
  readonly buffer: Uint8Array
  keyStart = 0
  keyEnd = -1
  valueStart = 0
  valueEnd = -1

  constructor(packed: PackedStretch) {
    this.#packed = packed
    this.buffer = packed.bytes
  }

  next(): boolean {
    const { offsets, timesMs, lengths } = this.#packed
    const at = this.#at
    const offset = offsets[at]
    if (offset === undefined) return false
    const keyBytes = lengths[2 * at] ?? -1
    const valueBytes = lengths[2 * at + 1] ?? -1
    this.offset = offset
    this.timestampMs = timesMs[at] ?? 0
    this.keyStart = this.#end
    this.keyEnd = keyBytes < 0 ? -1 : this.#end + keyBytes
    this.valueStart = this.#end + Math.max(keyBytes, 0)
    this.valueEnd = valueBytes < 0 ? -1 : this.valueStart + valueBytes
    this.#end = this.valueStart + Math.max(valueBytes, 0)
    this.#at++
    return true
  }
}
