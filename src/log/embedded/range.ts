import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Offset } from '../../model/record.ts'
import { placeOf } from './file.ts'
import type { PackedStretch } from './packed-stretch.ts'

export interface RangeBounds {
  /** Keys and values; the first record is read whatever its size. */
  readonly bytesMax: number
  readonly recordsMax: number
}

/**
 * Reads a stretch of a partition in two steps: first the lengths, which tell where the stretch ends before any value is read, then all keys and
 * values as one blob. A blob a column and record would cost three times as much, nearly all of it for the array buffers.
 *
 * The blob is made by `group_concat`, which joins text. A blob cast to text, and back, keeps its bytes as they are in a file whose encoding is
 * UTF-8; the length is checked all the same.
 */
export class RangeReader {
  readonly #ends: StatementSync
  readonly #lengths: StatementSync
  readonly #bytes: StatementSync

  constructor(db: DatabaseSync) {
    this.#ends = db.prepare('SELECT next_offset, tombstones_removed_to FROM partitions WHERE number = ?')
    this.#lengths = db.prepare(`
      SELECT place, time_ms, ifnull(length(key), -1), ifnull(length(value), -1)
      FROM records WHERE place >= ? AND place < ? ORDER BY place LIMIT ?`)
    this.#lengths.setReturnArrays(true)
    this.#bytes = db.prepare(`
      SELECT CAST(group_concat(CAST(ifnull(key, x'') || ifnull(value, x'') AS TEXT), '') AS BLOB) AS bytes
      FROM (SELECT key, value FROM records WHERE place BETWEEN ? AND ? ORDER BY place)`)
  }

  ends(number: number): PartitionEnds {
    const row = this.#ends.get(number)
    if (row === undefined) throw new Error(`The log file has no partition number ${number}`)
    return { endOffset: Number(row.next_offset), tombstonesRemovedTo: Number(row.tombstones_removed_to) }
  }

  /** In one read transaction, which the caller holds, with `ends`. `from` is at most the end offset. */
  read(number: number, from: Offset, { endOffset, tombstonesRemovedTo }: PartitionEnds, bounds: RangeBounds): PackedStretch {
    const found = this.#found(number, from, endOffset, bounds)
    const last = found.offsets.at(-1)
    const next = last === undefined || found.exhausted ? endOffset : last + 1
    const bytes = last === undefined ? new Uint8Array() : this.#bytes.get(placeOf(number, from), placeOf(number, last))?.bytes
    if (!(bytes instanceof Uint8Array) || bytes.length !== found.bytes) throw new Error('SQLite joined blobs to another length')
    return {
      next,
      endOffset,
      hole: firstHole(found.offsets, from, next),
      tombstonesRemovedTo,
      offsets: Float64Array.from(found.offsets),
      timesMs: Float64Array.from(found.timesMs),
      lengths: Int32Array.from(found.lengths),
      bytes,
    }
  }

  #found(number: number, from: Offset, endOffset: Offset, bounds: RangeBounds): Found {
    const offsets: number[] = []
    const timesMs: number[] = []
    const lengths: number[] = []
    let bytes = 0
    const first = placeOf(number, 0)
    for (const row of this.#lengths.iterate(first + from, first + endOffset, bounds.recordsMax)) {
      const [place, timeMs, keyBytes, valueBytes] = row as unknown as [number, number, number, number]
      const recordBytes = Math.max(keyBytes, 0) + Math.max(valueBytes, 0)
      if (offsets.length > 0 && bytes + recordBytes > bounds.bytesMax) return { offsets, timesMs, lengths, bytes, exhausted: false }
      bytes += recordBytes
      offsets.push(place - first)
      timesMs.push(timeMs)
      lengths.push(keyBytes, valueBytes)
    }
    return { offsets, timesMs, lengths, bytes, exhausted: offsets.length < bounds.recordsMax }
  }
}

export interface PartitionEnds {
  readonly endOffset: Offset
  readonly tombstonesRemovedTo: Offset
}

interface Found {
  readonly offsets: readonly number[]
  readonly timesMs: readonly number[]
  readonly lengths: readonly number[]
  readonly bytes: number
  /** Nothing is left up to the end offset. */
  readonly exhausted: boolean
}

function firstHole(offsets: readonly Offset[], from: Offset, next: Offset): Offset | undefined {
  let expected = from
  for (const offset of offsets) {
    if (offset !== expected) return expected
    expected++
  }
  return expected < next ? expected : undefined
}
