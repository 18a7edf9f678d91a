import type { Slice } from '../../src/model/record.ts'
import type { Entry, ViewOp } from '../../src/model/view-backend.ts'

/**
 * Ops and entries travel between threads as one buffer that moves, not as thousands of small arrays that are cloned one by one.
 *
 * Ops: two doubles an op (offset, time in ms), then two integers an op (bytes of the id; bytes of the value, -1 for a del), then id and value of each op.
 * Entries: two integers an entry (bytes of the id, bytes of the value), then id and value of each.
 * Values: an integer each (bytes, -1 where there is none), then the values.
 */
export interface Packed {
  readonly count: number
  readonly bytes: ArrayBuffer
}

const DOUBLE_BYTES = Float64Array.BYTES_PER_ELEMENT
const INT_BYTES = Int32Array.BYTES_PER_ELEMENT
const OP_HEAD_BYTES = 2 * DOUBLE_BYTES + 2 * INT_BYTES
const ENTRY_HEAD_BYTES = 2 * INT_BYTES
const NONE = -1

export function packOps(ops: readonly ViewOp[]): Packed {
  const count = ops.length
  let size = count * OP_HEAD_BYTES
  for (const op of ops) size += Buffer.byteLength(op.id) + (op.kind === 'set' ? lengthOf(op.value) : 0)
  const bytes = new ArrayBuffer(size)
  const doubles = new Float64Array(bytes, 0, 2 * count)
  const lengths = new Int32Array(bytes, 2 * count * DOUBLE_BYTES, 2 * count)
  const body = Buffer.from(bytes)
  let at = count * OP_HEAD_BYTES
  let index = 0
  for (const op of ops) {
    const idBytes = body.write(op.id, at)
    at += idBytes
    doubles[index] = op.offset
    lengths[index] = idBytes
    if (op.kind === 'set') {
      const { buffer, start, end } = op.value
      doubles[index + 1] = op.timestampMs
      lengths[index + 1] = end - start
      body.set(buffer.subarray(start, end), at)
      at += end - start
    } else lengths[index + 1] = NONE
    index += 2
  }
  return { count, bytes }
}

const lengthOf = (slice: Slice): number => slice.end - slice.start

/** An op as it lies in the buffer: nothing is copied, so it is gone with the buffer. */
export interface PackedOp {
  readonly id: Uint8Array
  /** Undefined for a del. */
  readonly value: Uint8Array | undefined
  readonly offset: number
  readonly timestampMs: number
}

/**
 * May be walked once: the buffer is given back at the end of the walk, also of one that was broken off. Left to the garbage collector, buffers of some 60 MB would pile up in the thread
 * that writes, as they are next to nothing in its own heap.
 */
export function* unpackOps({ count, bytes }: Packed): Generator<PackedOp> {
  const doubles = new Float64Array(bytes, 0, 2 * count)
  const lengths = new Int32Array(bytes, 2 * count * DOUBLE_BYTES, 2 * count)
  let at = count * OP_HEAD_BYTES
  try {
    for (let index = 0; index < 2 * count; index += 2) {
      const id = new Uint8Array(bytes, at, lengths[index] ?? 0)
      at += id.length
      const valueBytes = lengths[index + 1] ?? NONE
      const value = valueBytes === NONE ? undefined : new Uint8Array(bytes, at, valueBytes)
      at += value?.length ?? 0
      yield { id, value, offset: doubles[index] ?? 0, timestampMs: doubles[index + 1] ?? 0 }
    }
  } finally {
    bytes.transfer(0)
  }
}

/** Key and value as SQLite gave them. */
export type Row = readonly [id: Uint8Array, value: Uint8Array]

export function packEntries(rows: readonly Row[]): Packed {
  const count = rows.length
  let size = count * ENTRY_HEAD_BYTES
  for (const [id, value] of rows) size += id.length + value.length
  const bytes = new ArrayBuffer(size)
  const lengths = new Int32Array(bytes, 0, 2 * count)
  const body = new Uint8Array(bytes)
  let at = count * ENTRY_HEAD_BYTES
  let index = 0
  for (const [id, value] of rows) {
    body.set(id, at)
    body.set(value, at + id.length)
    at += id.length + value.length
    lengths[index++] = id.length
    lengths[index++] = value.length
  }
  return { count, bytes }
}

/** The values lie in the packed buffer and keep it whole. */
export function unpackEntries({ count, bytes }: Packed): readonly Entry[] {
  const lengths = new Int32Array(bytes, 0, 2 * count)
  const body = Buffer.from(bytes)
  const entries: Entry[] = []
  let at = count * ENTRY_HEAD_BYTES
  for (let index = 0; index < 2 * count; index += 2) {
    const valueAt = at + (lengths[index] ?? 0)
    const end = valueAt + (lengths[index + 1] ?? 0)
    entries.push({ id: body.toString('utf8', at, valueAt), value: new Uint8Array(bytes, valueAt, end - valueAt) })
    at = end
  }
  return entries
}

export function packValues(values: readonly (Uint8Array | undefined)[]): Packed {
  const count = values.length
  const size = values.reduce((sum, value) => sum + (value?.length ?? 0), count * INT_BYTES)
  const bytes = new ArrayBuffer(size)
  const lengths = new Int32Array(bytes, 0, count)
  const body = new Uint8Array(bytes)
  let at = count * INT_BYTES
  for (const [index, value] of values.entries()) {
    lengths[index] = value?.length ?? NONE
    if (value === undefined) continue
    body.set(value, at)
    at += value.length
  }
  return { count, bytes }
}

/** The values lie in the packed buffer and keep it whole. */
export function unpackValues({ count, bytes }: Packed): readonly (Uint8Array | undefined)[] {
  const lengths = new Int32Array(bytes, 0, count)
  let at = count * INT_BYTES
  return Array.from(lengths, length => {
    if (length === NONE) return undefined
    at += length
    return new Uint8Array(bytes, at - length, length)
  })
}
