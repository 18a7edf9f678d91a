import { gzipSync, zstdCompressSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'
import { SectionCursor } from '../../src/log/kafka/records/cursor.ts'
import { type Decoded, type RawRecords, RecordSet } from '../../src/log/kafka/records/decode.ts'

/** Record batches written down by hand, with BigInt and nothing of ours: what compaction or a bug may leave. */

export interface Sketch {
  readonly base: number
  /** Offsets that have a record. */
  readonly offsets: readonly number[]
  /** The last offset covered; that of the last record if not told. */
  readonly last?: number
  readonly codec?: number
  readonly producerId?: number
  readonly transactional?: boolean
  readonly control?: 'abort' | 'commit'
  /** Time of all records. */
  readonly appendTimeMs?: number
  readonly epoch?: number
  /** Instead of the records' bytes, already compressed. */
  readonly body?: Buffer
  readonly count?: number
}

/** The zigzag varint of a number, also one of 64 bits. */
export function varint(value: number | bigint): Buffer {
  const signed = BigInt(value)
  let bits = BigInt.asUintN(64, (signed << 1n) ^ (signed >> 63n))
  const bytes: number[] = []
  for (; bits > 0x7fn; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(bits)])
}

export const TIME_MS = 1_600_000_000_000

/** The record at an offset: key `k<offset>`, value `v<offset>`, and a header `h: x`. */
function recordAt(offset: number, base: number): Buffer {
  const [key, value] = [Buffer.from(`k${offset}`), Buffer.from(`v${offset}`)]
  const header = Buffer.concat([varint(1), varint(1), Buffer.from('h'), varint(1), Buffer.from('x')])
  return framed(
    Buffer.concat([Buffer.of(0), varint(offset - base), varint(offset - base), varint(key.length), key, varint(value.length), value, header]),
  )
}

const markerOf = (control: 'abort' | 'commit'): Buffer =>
  framed(Buffer.concat([Buffer.of(0), varint(0), varint(0), varint(4), Buffer.of(0, 0, 0, control === 'abort' ? 0 : 1), varint(-1), varint(0)]))

export const framed = (body: Buffer): Buffer => Buffer.concat([varint(body.length), body])

export const compress = (codec: number, bytes: Buffer): Buffer =>
  [(same: Buffer): Buffer => same, gzipSync, compressSync, compressFrameSync, zstdCompressSync][codec]?.(bytes) ?? bytes

export function sketched(sketch: Sketch): Buffer {
  const { base, offsets, codec = 0, producerId = -1, transactional = false, control, appendTimeMs, epoch = 0 } = sketch
  const last = sketch.last ?? offsets.at(-1) ?? base
  const plain =
    control === undefined ? Buffer.concat(offsets.map(offset => recordAt(offset, base))) : offsets.length === 0 ? Buffer.of() : markerOf(control)
  const body = sketch.body ?? (offsets.length === 0 ? plain : compress(codec, plain))
  const header = Buffer.alloc(61)
  header.writeBigInt64BE(BigInt(base), 0)
  header.writeInt32BE(49 + body.length, 8)
  header.writeInt32BE(epoch, 12)
  header.writeInt8(2, 16)
  header.writeInt16BE(codec | (appendTimeMs === undefined ? 0 : 8) | (transactional ? 16 : 0) | (control === undefined ? 0 : 32), 21)
  header.writeInt32BE(last - base, 23)
  header.writeBigInt64BE(BigInt(TIME_MS), 27)
  header.writeBigInt64BE(BigInt(appendTimeMs ?? TIME_MS + last - base), 35)
  header.writeBigInt64BE(BigInt(producerId), 43)
  header.writeInt32BE(sketch.count ?? offsets.length, 57)
  return sealed(Buffer.concat([header, body]))
}

/** With the checksum that fits. */
export function sealed(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

export const setOf = (batches: readonly Buffer[], options: Partial<Omit<RawRecords, 'records'>> = {}): RecordSet =>
  new RecordSet({ records: Buffer.concat(batches), from: 0, aborted: [], where: 'jobs 0', ...options })

export interface Walked {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
}

export function walk({ sections, from }: Pick<Decoded, 'sections' | 'from'>): Walked[] {
  const cursor = new SectionCursor(sections, from, 'jobs 0')
  const text = (start: number, end: number): string | null => (end === -1 ? null : Buffer.from(cursor.buffer.subarray(start, end)).toString('latin1'))
  const walked: Walked[] = []
  while (cursor.next()) {
    const { offset, timestampMs } = cursor
    walked.push({ offset, timestampMs, key: text(cursor.keyStart, cursor.keyEnd), value: text(cursor.valueStart, cursor.valueEnd) })
  }
  return walked
}

export const offsetsOf = (piece: Pick<Decoded, 'sections' | 'from'>): number[] => walk(piece).map(({ offset }) => offset)

export const upTo = (end: number, start = 0): number[] => Array.from({ length: end - start }, (_, at) => start + at)
