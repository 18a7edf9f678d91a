import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Hole, holeAt, meet, readOn, vouchedAt } from '../src/pipeline/holes.ts'

describe('what is vouched for behind holes', () => {
  it('is the position where there are none', () => {
    expect(vouchedAt(undefined, 7)).toBe(7)
  })

  it('is the start of the first hole until the end offset that came with it is reached', () => {
    const met = readOn(undefined, 10, 30, 4)
    expect(vouchedAt(met, 10)).toBe(4)
    expect(vouchedAt(readOn(met, 29, 40, undefined), 29)).toBe(4)
    expect(vouchedAt(readOn(met, 30, 40, undefined), 30)).toBe(30)
  })

  it('stays with the first hole until the end offset of the last one that was met before it closed: a successor may have been removed, too', () => {
    const two = readOn(readOn(undefined, 10, 30, 4), 20, 50, 15)
    expect(vouchedAt(readOn(two, 30, 50, undefined), 30)).toBe(4)
    expect(vouchedAt(readOn(two, 50, 50, undefined), 50)).toBe(50)
  })

  it('goes on to a hole that is met beyond the end offset of the first', () => {
    expect(readOn(readOn(undefined, 10, 12, 4), 20, 50, 15)).toEqual({ start: 15, until: 50 })
  })

  it('after a restart waits for the end offset of the first fetch', () => {
    const restarted = holeAt({ position: 10, vouched: 4 })
    const fetched = readOn(restarted, 12, 20, undefined)
    expect(vouchedAt(fetched, 12)).toBe(4)
    expect(vouchedAt(readOn(fetched, 20, 99, undefined), 20)).toBe(20)
  })

  it('takes the lower of two readings that meet', () => {
    const a: Hole = { start: 3, until: 10 }
    const b: Hole = { start: 5, until: 20 }
    expect(meet(a, b)).toEqual({ start: 3, until: 20 })
    expect(meet(undefined, b)).toEqual(b)
    expect(meet(undefined, undefined)).toBe(undefined)
  })

  it('is never more than the position, never less than before, and never beyond a hole that is open', () => {
    const fetch = fc.record({
      length: fc.integer({ min: 0, max: 9 }),
      hole: fc.option(fc.integer({ min: 0, max: 8 })),
      ahead: fc.integer({ min: 0, max: 30 }),
    })
    fc.assert(
      fc.property(fc.array(fetch, { maxLength: 30 }), fetches => {
        let known: Hole | undefined
        let position = 0
        let end = 0
        let before = 0
        const open: { start: number; until: number }[] = []
        for (const { length, hole, ahead } of fetches) {
          const from = position
          position += length
          end = Math.max(end, position + ahead)
          const met = hole !== null && hole < length ? from + hole : undefined
          if (met !== undefined) open.push({ start: met, until: end })
          known = readOn(known, position, end, met)
          const vouched = vouchedAt(known, position)
          expect(vouched).toBeLessThanOrEqual(position)
          expect(vouched).toBeGreaterThanOrEqual(before)
          for (const { start, until } of open) if (position < until) expect(vouched).toBeLessThanOrEqual(start)
          if (open.every(({ until }) => position >= until)) expect(vouched).toBe(position)
          before = vouched
        }
      }),
    )
  })
})
