import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteReader, ByteWriter } from '../src/log/kafka/wire/bytes.ts'
import {
  type AppendOutcome,
  appendOutcomeOf,
  describe as describeError,
  errorCodes,
  type KafkaErrorKind,
  kindOf,
} from '../src/log/kafka/wire/errors.ts'

describe('an answer', () => {
  const reader = (bytes: string): ByteReader => new ByteReader(Buffer.from(bytes, 'hex'), 'Test v1')

  it('with a number beyond safe integers is refused, not rounded', () => {
    expect(reader('001fffffffffffff').int64('x')).toBe(Number.MAX_SAFE_INTEGER)
    expect(reader('ffe0000000000001').int64('x')).toBe(Number.MIN_SAFE_INTEGER)
    expect(() => reader('0020000000000000').int64('an offset')).toThrow(
      'Test v1: the answer has 9007199254740992 beyond what a number holds, as an offset (before byte 8 of 8)',
    )
    expect(() => reader('8000000000000000').int64('an offset')).toThrow('-9223372036854775808')
    expect(() => reader('7fffffffffffffff').int64('an offset')).toThrow('9223372036854775807')
  })

  it('with a varint of more than 32 bits is refused', () => {
    expect(reader('ffffffff0f').uvarint('x')).toBe(0xffffffff)
    expect(() => reader('ffffffff1f').uvarint('a count')).toThrow('the answer has more than 32 bits as a count')
    expect(() => reader('808080808000').uvarint('a count')).toThrow('the answer has more than 32 bits as a count')
  })

  it('with a count that its bytes cannot hold is refused before anything is read', () => {
    const never = (): never => expect.unreachable()
    expect(() => reader('7fffffff00').array('x', never)).toThrow('no room for 2147483647 items of x')
    expect(() => reader('ffffffff0f00').compactArray('x', never)).toThrow('no room for 4294967294 items of x')
  })

  it('with a null, or a length below null, where there is none is refused', () => {
    expect(() => reader('ffff').string('a name')).toThrow('the answer has null as a name')
    expect(() => reader('00').compactString('a name')).toThrow('the answer has null as a name')
    expect(() => reader('fffe').nullableString('a name')).toThrow('the answer has a length of -2 as a name')
    expect(() => reader('fffffffe').array('x', () => 0)).toThrow('the answer has a length of -2 as x')
  })

  it('may have null for an array', () => {
    expect(reader('ffffffff').array('x', () => 0)).toEqual([])
    expect(reader('00').compactArray('x', () => 0)).toEqual([])
  })
})

describe('ByteWriter', () => {
  it('refuses what a type cannot hold, instead of cutting it', () => {
    const writer = new ByteWriter()
    expect(() => writer.int8(128)).toThrow(RangeError)
    expect(() => writer.int16(32_768)).toThrow(RangeError)
    expect(() => writer.int32(2 ** 31)).toThrow(RangeError)
    expect(() => writer.int64(2 ** 53)).toThrow(RangeError)
    expect(() => writer.int64(0.5)).toThrow(RangeError)
    expect(() => writer.uvarint(-1)).toThrow(RangeError)
    expect(() => writer.uvarint(2 ** 32)).toThrow(RangeError)
    expect(() => writer.uuid('abc')).toThrow("'abc' is no topic id")
    expect(() => writer.string('x'.repeat(32_768))).toThrow('a string of 32768 bytes is too long')
  })

  const text = fc.string({ unit: 'binary', maxLength: 300 })
  const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes).toString('base64url'))
  const bytes = fc.uint8Array({ maxLength: 300 })
  /** A value with how it is written and read. */
  const field = fc.oneof(
    fc.integer({ min: -128, max: 127 }).map(value => ({ value, write: (w: ByteWriter) => w.int8(value), read: (r: ByteReader) => r.int8('x') })),
    fc
      .integer({ min: -32_768, max: 32_767 })
      .map(value => ({ value, write: (w: ByteWriter) => w.int16(value), read: (r: ByteReader) => r.int16('x') })),
    fc.integer().map(value => ({ value, write: (w: ByteWriter) => w.int32(value), read: (r: ByteReader) => r.int32('x') })),
    fc.maxSafeInteger().map(value => ({ value, write: (w: ByteWriter) => w.int64(value), read: (r: ByteReader) => r.int64('x') })),
    fc
      .integer({ min: 0, max: 0xffffffff })
      .map(value => ({ value, write: (w: ByteWriter) => w.uvarint(value), read: (r: ByteReader) => r.uvarint('x') })),
    fc.boolean().map(value => ({ value, write: (w: ByteWriter) => w.bool(value), read: (r: ByteReader) => r.bool('x') })),
    id.map(value => ({ value, write: (w: ByteWriter) => w.uuid(value), read: (r: ByteReader) => r.uuid('x') })),
    fc.option(text).map(value => ({ value, write: (w: ByteWriter) => w.string(value), read: (r: ByteReader) => r.nullableString('x') ?? null })),
    fc
      .option(text)
      .map(value => ({ value, write: (w: ByteWriter) => w.compactString(value), read: (r: ByteReader) => r.compactNullableString('x') ?? null })),
    fc.array(text).map(value => ({
      value,
      write: (w: ByteWriter) => w.array(value, item => w.string(item)),
      read: (r: ByteReader) => r.array('x', () => r.string('y')),
    })),
    fc.array(text).map(value => ({
      value,
      write: (w: ByteWriter) => w.compactArray(value, item => w.compactString(item)),
      read: (r: ByteReader) => r.compactArray('x', () => r.compactString('y')),
    })),
    bytes.map(value => ({
      value,
      write: (w: ByteWriter) => w.uvarint(value.length + 1).raw(value),
      read: (r: ByteReader) => new Uint8Array(r.compactNullableBytes('x')),
    })),
    fc.constant({ value: undefined, write: (w: ByteWriter) => w.emptyTags(), read: (r: ByteReader) => r.skipTags() }),
  )

  it('writes what ByteReader reads, in any order, however it had to grow', () => {
    fc.assert(
      fc.property(fc.array(field, { maxLength: 40 }), fc.nat(64), (fields, bytesExpected) => {
        const writer = new ByteWriter(bytesExpected)
        for (const { write } of fields) write(writer)
        const reader = new ByteReader(writer.finish(), 'Test v1')
        expect(fields.map(({ read }) => read(reader))).toEqual(fields.map(({ value }) => value))
        reader.end()
      }),
    )
  })
})

describe('error codes', () => {
  it('are those of Kafka 4.3, without a gap', () => {
    expect(Object.values(errorCodes)).toEqual(Array.from({ length: 135 }, (_, at) => at - 1))
  })

  it('are written with name and number', () => {
    expect([6, -1, 999].map(describeError)).toEqual(['NOT_LEADER_OR_FOLLOWER (6)', 'UNKNOWN_SERVER_ERROR (-1)', 'an error unknown to logfold (999)'])
  })

  it('say whether to stop, to try again, or to look for another leader', () => {
    const expected: readonly (readonly [KafkaErrorKind, readonly number[]])[] = [
      ['none', [0]],
      ['retry', [-1, 7, 14, 15, 16, 19, 20, 41, 51, 70, 71, 88, 89, 106, 999]],
      ['refresh', [3, 5, 6, 8, 9, 13, 56, 72, 74, 75, 78, 80, 83, 100, 103, 129]],
      ['stop', [1, 2, 10, 17, 29, 31, 35, 42, 43, 76, 109]],
    ]
    for (const [kind, codes] of expected) expect(codes.map(kindOf), kind).toEqual(codes.map(() => kind))
  })

  it('say what became of a batch that the broker gives no offset for', () => {
    const expected: Readonly<Record<Exclude<AppendOutcome, 'appended'>, readonly number[]>> = {
      duplicate: [46],
      'not-appended': [2, 3, 5, 6, 8, 9, 19, 72, 74, 75, 89, 100, 103],
      uncertain: [-1, 7, 13, 20, 56, 999],
      sequence: [45, 47, 49, 59, 90],
      'too-large': [10, 18],
      refused: [17, 21, 29, 31, 32, 35, 42, 43, 44, 48, 53, 58, 76, 87],
    }
    for (const [outcome, codes] of Object.entries(expected)) {
      expect(
        codes.map(code => appendOutcomeOf(code, -1)),
        outcome,
      ).toEqual(codes.map(() => outcome))
    }
  })

  it('never say that a batch is not in the log, when the leader that lost its post had appended it', () => {
    expect([0, 46, 3, 6, 7, 20, 56].map(code => appendOutcomeOf(code, 12))).toEqual([
      'appended',
      'duplicate',
      ...Array.from({ length: 5 }, () => 'uncertain'),
    ])
  })
})
