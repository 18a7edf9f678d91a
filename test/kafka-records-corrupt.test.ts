import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DamagedBatch, extentOf } from '../src/log/kafka/records/batch.ts'
import { isLogfoldError } from '../src/model/errors.ts'
import { compress, framed, offsetsOf, sealed, setOf, sketched, varint, walk } from './support/kafka-batches.ts'

const ALL = Number.MAX_SAFE_INTEGER

describe('what can’t be read', () => {
  const good = sketched({ base: 0, offsets: [0, 1] })
  const refused = (batch: Buffer): unknown => {
    try {
      return walk(setOf([batch]).take(ALL))
    } catch (error) {
      return isLogfoldError(error, 'log-corrupt') ? error.message : error
    }
  }
  const cant = (what: string): string => `jobs 0: the batch at offset 0 can't be read: ${what}`

  it('any flipped bit that the checksum covers is noticed, and what stands before is read', () => {
    const second = sketched({ base: 2, offsets: [2, 3] })
    for (let bit = 21 * 8; bit < second.length * 8; bit++) {
      const flipped = Buffer.from(second)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(() => setOf([flipped]).take(ALL)).toThrow(DamagedBatch)
      const offsetsAreChanged = bit >= 23 * 8 && bit < 27 * 8
      if (offsetsAreChanged) continue
      const set = setOf([good, flipped])
      expect(offsetsOf(set.take(ALL))).toEqual([0, 1])
      expect([set.next, set.done]).toEqual([2, false])
      expect(() => set.take(ALL)).toThrow(new DamagedBatch("jobs 0: the checksum of the batch at offset 2 doesn't fit"))
    }
  })

  it('headers that make no sense are noticed before anything is decoded', () => {
    const changed = (change: (batch: Buffer) => void): Buffer => {
      const batch = Buffer.from(good)
      change(batch)
      return batch
    }
    for (const batch of [
      changed(b => b.writeInt32BE(48, 8)).subarray(0, 60),
      changed(b => b.writeInt32BE(-1, 8)),
      changed(b => b.writeInt8(3, 16)),
      changed(b => b.writeBigInt64BE(-5n, 0)),
      changed(b => b.writeBigInt64BE(2n ** 53n - 2n, 0)),
      changed(b => b.writeInt32BE(-1, 23)),
      Buffer.concat([good, good]),
    ]) {
      expect(() => extentOf(batch, 0, 'jobs 0')).toThrow(DamagedBatch)
    }
    const last = sketched({ base: 2 ** 53 - 4, offsets: [2 ** 53 - 4, 2 ** 53 - 3] })
    expect(offsetsOf(setOf([last], { from: 2 ** 53 - 3 }).take(ALL))).toEqual([2 ** 53 - 3])
  })

  it.each([0, 1])('records of format %d say what to do', format => {
    const old = Buffer.alloc(26)
    old.writeInt32BE(14, 8)
    old.writeInt8(format, 16)
    expect(() => setOf([old])).toThrow(expect.objectContaining({ code: 'topic-mismatch', remedy: expect.stringContaining('new topic') }))
  })

  it.each<[string, Buffer, string]>([
    ['more records than bytes', sketched({ base: 0, offsets: [0], last: 1, count: 2 }), 'a record runs over its end'],
    ['fewer records than bytes', sketched({ base: 0, offsets: [0, 1], count: 1 }), 'bytes are left behind its last record'],
    ['more records than offsets', sketched({ base: 0, offsets: [0], count: 2 }), 'it says that it has 2 records up to offset 0'],
    ['a record count below 0', sketched({ base: 0, offsets: [0], count: -1 }), 'it says that it has -1 records up to offset 0'],
    ['offsets that fall', sketched({ base: 0, offsets: [1, 0], last: 1 }), 'its offsets do not rise, or leave what it covers'],
    ['offsets beyond its last', sketched({ base: 0, offsets: [0, 2], last: 1 }), 'its offsets do not rise, or leave what it covers'],
    ['a record longer than the batch', sketched({ base: 0, offsets: [0], body: varint(9) }), 'a record runs over its end'],
    [
      'a length without end',
      sketched({ base: 0, offsets: [0], body: Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0) }),
      'a number is longer than 5 bytes',
    ],
    ['a time without end', sketched({ base: 0, offsets: [0], body: framed(Buffer.alloc(19, 0xff)) }), 'a number is longer than 10 bytes'],
    [
      'a value longer than its record',
      sketched({ base: 0, offsets: [0], body: framed(Buffer.of(0, 0, 0, 1, 4, 65, 0)) }),
      'the record at offset 0 runs over its end',
    ],
    ['a codec nobody knows', sketched({ base: 0, offsets: [0], codec: 5 }), 'codec 5: no such codec is known'],
    [
      'a marker without a type',
      sketched({ base: 0, offsets: [0], control: 'abort', body: framed(Buffer.of(0, 0, 0, 1, 1, 0)) }),
      'the key of its control record is too short',
    ],
  ])('is log-corrupt: %s', (_, batch, what) => {
    expect(refused(batch)).toBe(cant(what))
  })

  it('is log-corrupt: bytes that no codec wrote, or that were cut off', () => {
    const plain = Buffer.from('some text, some text, some text')
    const names = ['', 'gzip', 'snappy', 'lz4', 'zstd']
    for (const codec of [1, 2, 3, 4]) {
      for (const body of [Buffer.from('garbage'), compress(codec, plain).subarray(0, -5), Buffer.alloc(0)]) {
        expect(refused(sketched({ base: 0, offsets: [0], codec, body }))).toContain(cant(`${names[codec]}: `))
      }
    }
  })

  it('is log-corrupt: a batch that would become larger than any honest one', () => {
    const promise = Buffer.of(0x81, 0x80, 0x80, 0x80, 0x01)
    const block = Buffer.alloc(4 + 17_000)
    block.writeUInt32LE(17_000)
    const frame = (header: string): Buffer => Buffer.concat([Buffer.from(header, 'hex'), ...Array.from({ length: 65 }, () => block), Buffer.alloc(4)])
    const [bare, sized] = [frame('04224d18607073'), frame('04224d186870000000000000000073')]
    const zeros = Buffer.concat(Array.from({ length: 257 }, () => compress(4, Buffer.alloc(1024 * 1024))))
    expect(refused(sketched({ base: 0, offsets: [0], codec: 2, body: promise }))).toBe(
      cant('snappy: uncompressed it is 268435457 bytes, of 268435456 at most'),
    )
    for (const body of [bare, sized]) expect(refused(sketched({ base: 0, offsets: [0], codec: 3, body }))).toContain('lz4: uncompressed it is')
    expect(refused(sketched({ base: 0, offsets: [0], codec: 4, body: zeros }))).toContain('zstd: ')
  })

  it('never ends in anything but records or log-corrupt, whatever a batch with a good checksum holds', () => {
    const batch = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map(body => sketched({ base: 0, offsets: [0, 1, 2], body: Buffer.from(body) })),
      fc.tuple(fc.constantFrom(0, 1, 2, 3, 4), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 })).map(([codec, changes]) => {
        const changed = sketched({ base: 0, offsets: [0, 1, 2, 3], codec })
        for (const [at, byte] of changes) if (61 + at < changed.length) changed[61 + at] = byte
        return sealed(changed)
      }),
    )
    fc.assert(
      fc.property(batch, bytes => {
        expect(refused(bytes)).toSatisfy(found => Array.isArray(found) || typeof found === 'string')
      }),
      { numRuns: 3000 },
    )
  })
})
