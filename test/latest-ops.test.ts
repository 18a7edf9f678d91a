import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RecordCursor } from '../src/model/record.ts'
import type { ViewOp } from '../src/model/view-backend.ts'
import { LatestOps } from '../src/pipeline/latest-ops.ts'

const cursorAt = (id: string): RecordCursor => {
  const key = Buffer.from(` ${id} `)
  return { next: () => true, offset: 0, timestampMs: 0, buffer: key, keyStart: 1, keyEnd: key.length - 1, valueStart: 0, valueEnd: -1 }
}

function latest(ids: readonly string[], stretchBytes: number): readonly ViewOp[] {
  const found = new LatestOps(stretchBytes)
  for (const [offset, id] of ids.entries()) found.put({ kind: 'del', id, offset }, cursorAt(id))
  return found.ops
}

const byMap = (ids: readonly string[]): readonly ViewOp[] => {
  const ops = new Map<string, ViewOp>()
  for (const [offset, id] of ids.entries()) ops.set(id, { kind: 'del', id, offset })
  return [...ops.values()]
}

describe('the last op of each id', () => {
  it('is what a Map would give, in its order, however many ids there are and however often each comes', () => {
    const id = fc.oneof(fc.constantFrom('', 'a', 'b', 'aa', '__proto__', 'é', '日本'), fc.string({ maxLength: 3 }), fc.uuid())
    fc.assert(
      fc.property(fc.array(id, { maxLength: 300, size: 'max' }), fc.integer({ min: 0, max: 100_000 }), (ids, stretchBytes) => {
        expect(latest(ids, stretchBytes)).toEqual(byMap(ids))
      }),
    )
  })

  it('holds far more of them than the bytes of the stretch let expect', () => {
    const ids = Array.from({ length: 20_000 }, (_, nth) => String((nth * 7919) % 15_000))
    expect(latest(ids, 0)).toEqual(byMap(ids))
  })

  it('tells ids apart whose hashes are the same', () => {
    // Of so many, some ten pairs have the same 32 bits.
    const ids = Array.from({ length: 300_000 }, (_, nth) => `job-${nth}`)
    const found = latest(ids, 0)
    expect(found.length).toBe(ids.length)
    expect(found.every((op, nth) => op.id === ids[nth])).toBe(true)
  })
})
