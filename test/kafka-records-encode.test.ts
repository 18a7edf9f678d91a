import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BATCH_HEADER_BYTES, readHeader } from '../src/log/kafka/records/batch.ts'
import { encodeBatch, type RecordToEncode, recordBytesBound } from '../src/log/kafka/records/encode.ts'
import { setOf, varint, walk } from './support/kafka-batches.ts'
import { written } from './support/kafka-segments.ts'

const ALL = Number.MAX_SAFE_INTEGER
const NOBODY = { producerId: -1, producerEpoch: -1, baseSequence: -1 }

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 300 }))
const timestampMs = fc.oneof(
  fc.integer({ min: 1.6e12, max: 1.6e12 + 5 }),
  fc.integer({ min: 0, max: 2 ** 40 }),
  fc.maxSafeNat(),
  fc.constantFrom(0, 2 ** 53 - 1, 2 ** 31, 2 ** 32, 2 ** 52 + 1),
)
const batch = fc.record({
  records: fc.array(fc.record({ key: bytesOrNull, value: bytesOrNull, timestampMs }), { minLength: 1, maxLength: 200, size: 'medium' }),
  producerId: fc.oneof(fc.constant(-1), fc.maxSafeNat()),
  producerEpoch: fc.integer({ min: -1, max: 32767 }),
  baseSequence: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
})
const text = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('latin1')

describe('a batch', () => {
  it('is read back as it was encoded, and is no larger than was foretold', () => {
    fc.assert(
      fc.property(batch, ({ records, ...sender }) => {
        const bytes = Buffer.from(encodeBatch({ records, ...sender }))
        const piece = setOf([bytes]).take(ALL)
        expect(walk(piece)).toEqual(
          records.map((record, offset) => ({ offset, timestampMs: record.timestampMs, key: text(record.key), value: text(record.value) })),
        )
        expect(piece).toMatchObject({ from: 0, next: records.length, hole: undefined, leaderEpoch: -1, bytes: bytes.length - BATCH_HEADER_BYTES })
        expect(bytes.length).toBeLessThanOrEqual(records.reduce((sum, record) => sum + recordBytesBound(record), BATCH_HEADER_BYTES))
        expect([readHeader(bytes, 0, '').producerId, bytes.readInt16BE(51), bytes.readInt32BE(53)]).toEqual([
          sender.producerId,
          sender.producerEpoch,
          sender.baseSequence,
        ])
      }),
    )
  })

  it('has the bytes that Java’s client writes', () => {
    const java = Buffer.from(written['java none'] ?? '', 'base64')
    const records: RecordToEncode[] = walk(setOf([java]).take(ALL)).map(({ key, value, timestampMs }) => ({
      key: Buffer.from(key ?? ''),
      value: Buffer.from(value ?? ''),
      timestampMs,
    }))
    const ours = Buffer.from(encodeBatch({ records, producerId: 0, producerEpoch: 0, baseSequence: 0 }))
    // The broker has written its leader epoch in.
    java.writeInt32BE(-1, 12)
    expect(ours.toString('hex')).toBe(java.toString('hex'))
  })

  it('of nothing there is none', () => {
    expect(() => encodeBatch({ records: [], ...NOBODY })).toThrow('A batch has at least one record')
  })

  it('keeps times that lie before the first one, and the latest as its own', () => {
    const records = [5, 2 ** 41, -(2 ** 40)].map(time => ({ key: null, value: null, timestampMs: 1.7e12 + time }))
    const bytes = Buffer.from(encodeBatch({ records, ...NOBODY }))
    expect(walk(setOf([bytes]).take(ALL)).map(({ timestampMs }) => timestampMs)).toEqual(records.map(record => record.timestampMs))
    expect(readHeader(bytes, 0, '').maxTimestampMs).toBe(1.7e12 + 2 ** 41)
    expect(bytes.includes(varint(-(2 ** 40) - 5))).toBe(true)
  })
})
