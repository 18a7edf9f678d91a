import { describe, expect, it } from 'vitest'
import { packOps, unpackOps } from '../backends/sqlite/packing.ts'
import type { ViewOp } from '../src/model/view-backend.ts'

const value = Buffer.from('<{"at":1}>')
const ops: readonly ViewOp[] = [
  { kind: 'set', id: 'Zürich', value: { buffer: value, start: 1, end: 9 }, offset: 7, timestampMs: 1_700_000_000_000 },
  { kind: 'set', id: 'empty', value: { buffer: value, start: 3, end: 3 }, offset: 8, timestampMs: 0 },
  { kind: 'del', id: 'a', offset: 2 ** 40 },
]

describe('a batch on its way to the thread that writes', () => {
  it('comes out as it went in', () => {
    const texts: unknown[] = []
    for (const { id, value, offset, timestampMs } of unpackOps(packOps(ops))) {
      texts.push([Buffer.from(id).toString(), value && Buffer.from(value).toString(), offset, timestampMs])
    }
    expect(texts).toEqual([
      ['Zürich', '{"at":1}', 7, 1_700_000_000_000],
      ['empty', '', 8, 0],
      ['a', undefined, 2 ** 40, 0],
    ])
  })

  it('takes no memory any more once it was walked', () => {
    const packed = packOps(ops)
    let count = 0
    for (const _ of unpackOps(packed)) count++
    expect({ count, detached: packed.bytes.detached }).toEqual({ count: 3, detached: true })
  })

  it('nor when the walk was broken off, as by data that SQLite refuses', () => {
    const packed = packOps(ops)
    expect(() => {
      for (const { offset } of unpackOps(packed)) if (offset === 8) throw new Error('refused')
    }).toThrow('refused')
    expect(packed.bytes.detached).toBe(true)
  })
})
