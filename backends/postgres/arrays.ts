import type { Slice } from '../../src/model/record.ts'
import type { SetOp } from '../../src/model/view-backend.ts'
import type { ValueType } from './names.ts'

/**
 * Arrays in Postgres's binary format: what a batch holds goes from the fetched record into the message as it is, without a string or an escape in between. One dimension,
 * no nulls: five integers (dimensions, nulls, type, length, first index), then each member behind its length.
 */

/** Object ids of types; part of Postgres's protocol, the same in every server. */
const OIDS = { int8: 20, text: 25, bytea: 17, json: 114, timestamptz: 1184 } as const

const HEAD_BYTES = 20
const LENGTH_BYTES = 4
const INT8_BYTES = 8
/** An id has at most three bytes of UTF-8 for each unit of UTF-16. */
const UTF8_BYTES_MAX = 3

function begun(oid: number, count: number, bodyBytes: number): Buffer {
  const array = Buffer.allocUnsafe(HEAD_BYTES + bodyBytes)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(0, 4)
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(count, 12)
  array.writeInt32BE(1, 16)
  return array
}

export function textArray(texts: readonly string[]): Buffer {
  let bytesMax = 0
  for (const text of texts) bytesMax += LENGTH_BYTES + text.length * UTF8_BYTES_MAX
  const array = begun(OIDS.text, texts.length, bytesMax)
  let at = HEAD_BYTES
  for (const text of texts) {
    const bytes = array.write(text, at + LENGTH_BYTES)
    array.writeInt32BE(bytes, at)
    at += LENGTH_BYTES + bytes
  }
  return array.subarray(0, at)
}

export function valueArray(type: ValueType, values: readonly Slice[]): Buffer {
  let bytes = 0
  for (const { start, end } of values) bytes += LENGTH_BYTES + end - start
  const array = begun(OIDS[type], values.length, bytes)
  let at = HEAD_BYTES
  for (const { buffer, start, end } of values) {
    array.writeInt32BE(end - start, at)
    array.set(buffer.subarray(start, end), at + LENGTH_BYTES)
    at += LENGTH_BYTES + end - start
  }
  return array
}

export const offsetArray = (ops: readonly SetOp[]): Buffer => int8Array(OIDS.int8, ops, ({ offset }) => offset)

export const timeArray = (ops: readonly SetOp[]): Buffer => int8Array(OIDS.timestamptz, ops, ({ timestampMs }) => timestampOf(timestampMs))

function int8Array(oid: number, ops: readonly SetOp[], of: (op: SetOp) => number | bigint): Buffer {
  const array = begun(oid, ops.length, ops.length * (LENGTH_BYTES + INT8_BYTES))
  let at = HEAD_BYTES
  for (const op of ops) {
    const value = of(op)
    array.writeInt32BE(INT8_BYTES, at)
    if (typeof value === 'bigint') array.writeBigInt64BE(value, at + LENGTH_BYTES)
    else writeInt8(array, value, at + LENGTH_BYTES)
    at += LENGTH_BYTES + INT8_BYTES
  }
  return array
}

const WORD = 2 ** 32

/** A safe integer as 64 bits, without a bigint. */
function writeInt8(array: Buffer, value: number, at: number): void {
  const high = Math.floor(value / WORD)
  array.writeInt32BE(high, at)
  array.writeUInt32BE(value - high * WORD, at + LENGTH_BYTES)
}

/** Postgres counts from 2000. */
const EPOCH_MS = 946_684_800_000
/** 24 November 4714 BC, before which Postgres knows no time. */
const MIN_MS = -210_866_803_200_000
/** The last millisecond that JavaScript has a date for (in the year 275760); Postgres goes on for some thousand years. */
const MAX_MS = 8_640_000_000_000_000
const INFINITY = 2n ** 63n - 1n
const MINUS_INFINITY = -(2n ** 63n)

/** A producer may write any 64 bits as a record's time: what Postgres has no time for is before, or after, all others. */
function timestampOf(ms: number): number | bigint {
  if (ms < MIN_MS) return MINUS_INFINITY
  if (ms > MAX_MS) return INFINITY
  const micros = (ms - EPOCH_MS) * 1_000
  return Number.isSafeInteger(micros) ? micros : (BigInt(ms) - BigInt(EPOCH_MS)) * 1_000n
}
