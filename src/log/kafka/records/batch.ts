import { LogfoldError } from '../../../model/errors.ts'
import type { Offset } from '../../../model/record.ts'

/**
 * Record batches as Kafka keeps and sends them: format 2, since Kafka 0.11. A *record set* is batches one behind the other, as a partition's part of
 * a fetch answer holds them; it may end within a batch.
 *
 *  0 base offset i64 · 8 length i32, of what follows · 12 leader epoch i32 · 16 format i8 · 17 CRC-32C u32, of what follows · 21 attributes i16 ·
 * 23 last offset delta i32 · 27 base timestamp i64 · 35 max timestamp i64 · 43 producer id i64 · 51 producer epoch
 * i16 · 53 base sequence i32 · 57 count i32
 */
export const BATCH_HEADER_BYTES = 61

/** Base offset and length: what the length doesn't count. */
export const LENGTH_END = 12
export const FORMAT_AT = 16
export const CRC_AT = 17
/** Where the checksum begins to cover. What lies before it is the broker's, which may change it without reading the batch. */
export const CHECKED_FROM = 21

export interface BatchHeader {
  readonly baseOffset: Offset
  /** The last offset the batch covers, whether or not a record is still there. */
  readonly lastOffset: Offset
  readonly leaderEpoch: number
  readonly crc: number
  /** 0 none · 1 gzip · 2 snappy · 3 lz4 · 4 zstd */
  readonly codec: number
  /** The broker's time counts, for all records: `maxTimestampMs`. */
  readonly logAppendTime: boolean
  readonly transactional: boolean
  /** Holds a marker of a transaction's end instead of records. */
  readonly control: boolean
  /** What the records' own times are told against. Compaction may set it to something that is no record's time. */
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  /** -1 without. */
  readonly producerId: number
  /** Records that are there. Compaction takes records out, and leaves base and last offset. */
  readonly count: number
  /** Where the batch starts and, exclusive, ends in the record set. */
  readonly start: number
  readonly end: number
}

/** A batch that isn't what its writer wrote. It may have been damaged on the way: fetch again. Only the third time it is `log-corrupt`. */
export class DamagedBatch extends Error {
  override readonly name = 'DamagedBatch'
}

/** 64 bits as a number: exact up to 2^53, rounded beyond. */
const readLong = (bytes: Buffer, at: number): number => bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4)

/** Whether a whole batch stands at `at`. Reads its length and format only. */
function isWhole(records: Buffer, at: number, where: string): boolean {
  if (at + CRC_AT > records.length) return false
  const format = records.readInt8(at + FORMAT_AT)
  if (format === 0 || format === 1) throw oldFormat(where, readLong(records, at))
  if (format !== 2) throw new DamagedBatch(`${where}: the batch at offset ${readLong(records, at)} has the unknown format ${format}`)
  const length = records.readInt32BE(at + LENGTH_END - 4)
  if (length < BATCH_HEADER_BYTES - LENGTH_END)
    throw new DamagedBatch(`${where}: the batch at offset ${readLong(records, at)} says that ${length} bytes follow`)
  return at + LENGTH_END + length <= records.length
}

/** Reads the header of the whole batch at `at`; the checksum isn't looked at. */
export function readHeader(records: Buffer, at: number, where: string): BatchHeader {
  const baseOffset = readLong(records, at)
  const attributes = records.readInt16BE(at + CHECKED_FROM)
  const lastOffsetDelta = records.readInt32BE(at + 23)
  const lastOffset = baseOffset + lastOffsetDelta
  if (baseOffset < 0 || lastOffsetDelta < 0 || lastOffset >= Number.MAX_SAFE_INTEGER) {
    throw new DamagedBatch(`${where}: a batch says that it covers ${lastOffsetDelta} offsets from ${baseOffset} on`)
  }
  return {
    baseOffset,
    lastOffset,
    leaderEpoch: records.readInt32BE(at + LENGTH_END),
    crc: records.readUInt32BE(at + CRC_AT),
    codec: attributes & 0b111,
    logAppendTime: (attributes & 0b1000) !== 0,
    transactional: (attributes & 0b1_0000) !== 0,
    control: (attributes & 0b10_0000) !== 0,
    baseTimestampMs: readLong(records, at + 27),
    maxTimestampMs: readLong(records, at + 35),
    producerId: readLong(records, at + 43),
    count: records.readInt32BE(at + 57),
    start: at,
    end: at + LENGTH_END + records.readInt32BE(at + LENGTH_END - 4),
  }
}

/** What a record set reaches over. */
export interface Extent {
  /** The position after its last whole batch, but never below the one asked for. */
  readonly next: Offset
  /** Where that batch ends; 0 where none is whole. */
  readonly end: number
  /** Of the leader that wrote that batch; -1 without. */
  readonly leaderEpoch: number
}

/**
 * How far a record set reaches from a position on. Reads headers only, so that the next fetch needn't wait for the decoding.
 * `where` names topic and partition, for errors.
 *
 * @throws DamagedBatch where lengths, offsets or formats make no sense
 * @throws LogfoldError `topic-mismatch` for a format before 2
 */
export function extentOf(records: Buffer, from: Offset, where: string): Extent {
  let end = 0
  let covered = 0
  let leaderEpoch = -1
  while (isWhole(records, end, where)) {
    const batch = readHeader(records, end, where)
    // Read in another order, a record would come twice, or never.
    if (batch.baseOffset < covered)
      throw new DamagedBatch(`${where}: the batch at offset ${batch.baseOffset} stands behind one that ends at ${covered - 1}`)
    covered = batch.lastOffset + 1
    leaderEpoch = batch.leaderEpoch
    end = batch.end
  }
  return { next: Math.max(from, covered), end, leaderEpoch }
}

const oldFormat = (where: string, offset: number): LogfoldError =>
  new LogfoldError('topic-mismatch', `${where}: the record at offset ${offset} is in a format from before Kafka 0.11`, {
    remedy: 'Copy the records into a new topic with a current client, and let the view fold that',
  })
