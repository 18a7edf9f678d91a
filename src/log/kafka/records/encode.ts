import { crc32c } from '@node-rs/crc32'
import { BATCH_HEADER_BYTES, CHECKED_FROM, CRC_AT, FORMAT_AT, LENGTH_END } from './batch.ts'

export interface RecordToEncode {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  /** Milliseconds since the epoch, an integer up to 2^53. */
  readonly timestampMs: number
}

export interface BatchToEncode {
  /** At least one. */
  readonly records: readonly RecordToEncode[]
  /** -1, all three, without idempotence. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
}

/** Length 5, attributes 1, timestamp 10, offset 5, key length 5, value length 5, number of headers 1. */
const RECORD_OVERHEAD_BYTES_MAX = 32

/** What a record takes in a batch at most. A batch is at most `BATCH_HEADER_BYTES` and the sum of these. */
export const recordBytesBound = ({ key, value }: Pick<RecordToEncode, 'key' | 'value'>): number =>
  RECORD_OVERHEAD_BYTES_MAX + (key?.length ?? 0) + (value?.length ?? 0)

/** One uncompressed batch, its offsets from 0 on: the broker writes the real ones in, and the leader's epoch. */
export function encodeBatch({ records, producerId, producerEpoch, baseSequence }: BatchToEncode): Uint8Array {
  const [first] = records
  if (first === undefined) throw new RangeError('A batch has at least one record')
  const baseTimestampMs = first.timestampMs
  const bytesMax = records.reduce((sum, record) => sum + recordBytesBound(record), BATCH_HEADER_BYTES)
  const writer = new RecordWriter(bytesMax)
  let maxTimestampMs = baseTimestampMs
  let delta = 0
  for (const record of records) {
    maxTimestampMs = Math.max(maxTimestampMs, record.timestampMs)
    writer.record(record, record.timestampMs - baseTimestampMs, delta++)
  }
  const batch = writer.bytes.subarray(0, writer.at)
  writeLong(batch, 0, 0)
  batch.writeInt32BE(batch.length - LENGTH_END, LENGTH_END - 4)
  batch.writeInt32BE(-1, LENGTH_END)
  batch.writeInt8(2, FORMAT_AT)
  batch.writeInt16BE(0, CHECKED_FROM)
  batch.writeInt32BE(records.length - 1, 23)
  writeLong(batch, baseTimestampMs, 27)
  writeLong(batch, maxTimestampMs, 35)
  writeLong(batch, producerId, 43)
  batch.writeInt16BE(producerEpoch, 51)
  batch.writeInt32BE(baseSequence, 53)
  batch.writeInt32BE(records.length, 57)
  batch.writeUInt32BE(crc32c(batch.subarray(CHECKED_FROM)), CRC_AT)
  return batch
}

function writeLong(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), at)
  bytes.writeUInt32BE(value >>> 0, at + 4)
}

class RecordWriter {
  readonly bytes: Buffer
  at = BATCH_HEADER_BYTES

  constructor(bytesMax: number) {
    this.bytes = Buffer.allocUnsafe(bytesMax)
  }

  record({ key, value }: RecordToEncode, timestampDelta: number, offsetDelta: number): void {
    const bytes =
      1 +
      numberBytes(timestampDelta) +
      numberBytes(offsetDelta) +
      numberBytes(key?.length ?? -1) +
      (key?.length ?? 0) +
      numberBytes(value?.length ?? -1) +
      (value?.length ?? 0) +
      1
    this.#number(bytes)
    this.bytes[this.at++] = 0
    this.#number(timestampDelta)
    this.#number(offsetDelta)
    this.#field(key)
    this.#field(value)
    this.#number(0)
  }

  #field(field: Uint8Array | null): void {
    this.#number(field?.length ?? -1)
    if (field === null) return
    this.bytes.set(field, this.at)
    this.at += field.length
  }

  /** A zigzag varint: the sign is the lowest bit, written with the first six of the magnitude. */
  #number(value: number): void {
    const magnitude = magnitudeOf(value)
    let rest = Math.floor(magnitude / 64)
    this.bytes[this.at++] = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0) | (rest > 0 ? 0x80 : 0)
    while (rest > 0) {
      const byte = rest % 128
      rest = Math.floor(rest / 128)
      this.bytes[this.at++] = byte | (rest > 0 ? 0x80 : 0)
    }
  }
}

const magnitudeOf = (value: number): number => (value < 0 ? -value - 1 : value)

function numberBytes(value: number): number {
  let bytes = 1
  for (let rest = Math.floor(magnitudeOf(value) / 64); rest > 0; rest = Math.floor(rest / 128)) bytes++
  return bytes
}
