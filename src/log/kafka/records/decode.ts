import { crc32c } from '@node-rs/crc32'
import { messageOf } from '../../../model/errors.ts'
import type { Offset } from '../../../model/record.ts'
import { BATCH_HEADER_BYTES, type BatchHeader, CHECKED_FROM, DamagedBatch, type Extent, extentOf, readHeader } from './batch.ts'
import { codecName, decompress } from './compression.ts'
import { corrupt } from './corrupt.ts'
import { type Section, SectionCursor } from './cursor.ts'

/** From the fetch answer: records of this producer from this offset on, up to its abort marker, were taken back. */
export interface AbortedTransaction {
  readonly producerId: number
  readonly firstOffset: Offset
}

/** One partition's part of a fetch answer. */
export interface RawRecords {
  readonly records: Buffer
  /** The position asked for. The first batch may start before it. */
  readonly from: Offset
  readonly aborted: readonly AbortedTransaction[]
  /** Names topic and partition, for errors. */
  readonly where: string
}

/** What a stretch is made of; the fields mean what they do there. Sections are walked by a `SectionCursor` that begins at `from`. */
export interface Decoded {
  readonly from: Offset
  readonly next: Offset
  readonly hole: Offset | undefined
  readonly leaderEpoch: number
  /** Of the records, uncompressed. Those that came so are held by the whole fetch answer. */
  readonly bytes: number
  readonly sections: readonly Section[]
}

/** What is being taken. */
interface Piece {
  readonly sections: Section[]
  bytes: number
  hole: Offset | undefined
}

/**
 * Decodes one record set, a piece at a time. It stays in hand until its end, because the state of transactions in its middle is nowhere else: an
 * answer's list of aborted ones begins at that answer's position. To give up what is left, fetch again from `next`.
 */
export class RecordSet {
  /** What all pieces together reach over: known at once, and where the next fetch goes on. */
  readonly extent: Extent
  readonly #raw: RawRecords
  /** Those still to begin, by offset. */
  readonly #abortedAhead: AbortedTransaction[]
  /** Producers whose transactional batches are aborted ones, up to their next marker. */
  readonly #aborting = new Set<number>()
  #at = 0
  #next: Offset
  #leaderEpoch = -1

  /** Reads headers only. @throws what `extentOf` throws */
  constructor(raw: RawRecords) {
    this.extent = extentOf(raw.records, raw.from, raw.where)
    this.#raw = raw
    this.#abortedAhead = [...raw.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
    this.#next = raw.from
  }

  /** The position after what was taken. */
  get next(): Offset {
    return this.#next
  }

  /** Every whole batch was taken. */
  get done(): boolean {
    return this.#at >= this.extent.end
  }

  /**
   * Takes batches until they hold more than `bytesMax`, at least one; nothing when `done`. A batch that can't be read ends the piece before it, so
   * that its error comes alone, with the next call; what was decoded before isn't lost by it.
   *
   * @throws DamagedBatch where the checksum of the next batch doesn't fit: fetch again from `next`
   * @throws LogfoldError `log-corrupt` where it fits, and the bytes are no records nevertheless
   */
  take(bytesMax: number): Decoded {
    const from = this.#next
    const piece: Piece = { sections: [], bytes: 0, hole: undefined }
    const start = this.#at
    while (!this.done && piece.bytes <= bytesMax) {
      try {
        this.#takeBatch(piece)
      } catch (error) {
        if (this.#at === start) throw error
        break
      }
    }
    const { sections, bytes, hole } = piece
    return { from, next: this.#next, hole, leaderEpoch: this.#leaderEpoch, bytes, sections }
  }

  #takeBatch(piece: Piece): void {
    const batch = this.#read()
    const isData = this.#isData(batch)
    if (batch.lastOffset >= this.#next) {
      const hole = piece.hole ?? this.#holeIn(batch)
      if (isData && batch.count > 0) {
        const section = this.#sectionOf(batch)
        piece.sections.push(section)
        piece.bytes += section.end - section.start
      }
      piece.hole = hole
      this.#next = batch.lastOffset + 1
    }
    this.#leaderEpoch = batch.leaderEpoch
    this.#at = batch.end
  }

  #read(): BatchHeader {
    const { records, where } = this.#raw
    const batch = readHeader(records, this.#at, where)
    if (crc32c(records.subarray(batch.start + CHECKED_FROM, batch.end)) !== batch.crc) {
      throw new DamagedBatch(`${where}: the checksum of the batch at offset ${batch.baseOffset} doesn't fit`)
    }
    if (batch.count < 0 || batch.count > batch.lastOffset - batch.baseOffset + 1) {
      throw corrupt(where, batch.baseOffset, `it says that it has ${batch.count} records up to offset ${batch.lastOffset}`)
    }
    return batch
  }

  /** Whether it holds records that count. Keeps the books of transactions; looking at a batch twice changes nothing. */
  #isData(batch: BatchHeader): boolean {
    for (let first = this.#abortedAhead[0]; first !== undefined && first.firstOffset <= batch.lastOffset; first = this.#abortedAhead[0]) {
      this.#aborting.add(first.producerId)
      this.#abortedAhead.shift()
    }
    if (batch.control) {
      if (this.#isAbortMarker(batch)) this.#aborting.delete(batch.producerId)
      return false
    }
    return !(batch.transactional && this.#aborting.has(batch.producerId))
  }

  /** Key of a marker: version i16, type i16, 0 for abort. Compaction may have taken it out of its batch. */
  #isAbortMarker(batch: BatchHeader): boolean {
    const marker = new SectionCursor([this.#sectionOf(batch)], 0, this.#raw.where)
    if (!marker.next()) return false
    if (marker.keyEnd - marker.keyStart < 4) throw corrupt(this.#raw.where, batch.baseOffset, 'the key of its control record is too short')
    return marker.buffer[marker.keyStart + 2] === 0 && marker.buffer[marker.keyStart + 3] === 0
  }

  /** The first offset from the position to the batch's last that has no record. */
  #holeIn(batch: BatchHeader): Offset | undefined {
    if (batch.baseOffset > this.#next) return this.#next
    if (batch.count === batch.lastOffset - batch.baseOffset + 1) return undefined
    const present = new SectionCursor([this.#sectionOf(batch)], this.#next, this.#raw.where)
    let expected = this.#next
    while (present.next() && present.offset === expected) expected++
    return expected > batch.lastOffset ? undefined : expected
  }

  #sectionOf(batch: BatchHeader): Section {
    const { count, codec, baseOffset, lastOffset, baseTimestampMs } = batch
    const { buffer, start, end } = this.#plain(batch, codec)
    const appendTimeMs = batch.logAppendTime ? batch.maxTimestampMs : undefined
    return { buffer, start, end, count, baseOffset, lastOffset, baseTimestampMs, appendTimeMs }
  }

  #plain({ start, end, count, baseOffset }: BatchHeader, codec: number): { readonly buffer: Buffer; readonly start: number; readonly end: number } {
    const { records, where } = this.#raw
    if (codec === 0 || count === 0) return { buffer: records, start: start + BATCH_HEADER_BYTES, end }
    try {
      const buffer = decompress(codec, records.subarray(start + BATCH_HEADER_BYTES, end))
      return { buffer, start: 0, end: buffer.length }
    } catch (error) {
      throw corrupt(where, baseOffset, `${codecName(codec)}: ${messageOf(error)}`, error)
    }
  }
}
