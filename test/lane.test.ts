import { describe, expect, it } from 'vitest'
import type { LogReader } from '../src/model/log.ts'
import type { Stretch } from '../src/model/record.ts'
import type { Checkpoint } from '../src/model/view-backend.ts'
import { Lane } from '../src/pipeline/lane.ts'

const reader: LogReader = { next: () => Promise.reject(new Error('not read here')), close: () => {} }
const checkpoint = (position: number, vouched = position, tombstonesRemovedTo = -1): Checkpoint => ({
  position,
  vouched,
  tombstonesRemovedTo,
  leaderEpoch: -1,
  atEndMs: 0,
})
const stretch = (from: number, next: number, endOffset: number, tombstonesRemovedTo = -1, told: Partial<Stretch> = {}): Stretch => ({
  partition: 0,
  from,
  next,
  endOffset,
  tombstonesRemovedTo,
  tombstonesKeptMs: Number.POSITIVE_INFINITY,
  askedAtMs: 0,
  hole: undefined,
  leaderEpoch: -1,
  bytes: 0,
  records: () => {
    throw new Error('not walked here')
  },
  ...told,
})

describe('lanes that meet', () => {
  it('vouch for no more than any of them, also where one still waits in a lane that moves on to a third', () => {
    const behind = new Lane(reader, ['a'], checkpoint(30, 4))
    behind.aim(30, stretch(30, 30, 33))
    const middle = new Lane(reader, ['b'], checkpoint(30))
    const ahead = new Lane(reader, ['c'], checkpoint(30))
    middle.join(behind)
    ahead.join(middle)
    ahead.admit()
    expect([...ahead.shards].sort()).toEqual(['a', 'b', 'c'])
    expect(ahead.aim(31, stretch(30, 31, 33)).vouched).toBe(4)
    ahead.arrive(ahead.checkpoint)
    expect([behind.empty, middle.empty]).toEqual([true, true])
  })

  it('notice a tombstone that is gone, if it is for one of them', () => {
    const fresh = new Lane(reader, ['a'], checkpoint(50, 50, 100))
    expect(fresh.missesDeletes(stretch(50, 60, 200, 100))).toBe(false)
    fresh.join(new Lane(reader, ['b'], checkpoint(50)))
    fresh.admit()
    expect(fresh.missesDeletes(stretch(50, 60, 200, 100))).toBe(true)
    expect(fresh.missesDeletes(stretch(101, 110, 200, 100))).toBe(false)
  })

  it('notice that they were away from the end for longer than a tombstone is kept, unless they came from 0', () => {
    const kept = { tombstonesKeptMs: 60_000 }
    const longAgo = { ...kept, askedAtMs: Date.now() - 61_000 }
    const lane = new Lane(reader, ['a'], checkpoint(50))
    lane.aim(60, stretch(50, 60, 60, -1, longAgo))
    expect(lane.missesDeletes(stretch(60, 60, 60, -1, kept))).toBe(false)
    expect(lane.missesDeletes(stretch(60, 61, 70, -1, kept))).toBe(true)
    lane.aim(60, stretch(60, 60, 60, -1, { ...kept, askedAtMs: Date.now() - 59_000 }))
    expect(lane.missesDeletes(stretch(60, 61, 70, -1, kept))).toBe(false)

    const fresh = new Lane(reader, ['a'], checkpoint(0))
    fresh.aim(10, stretch(0, 10, 1_000, -1, { ...kept, askedAtMs: Date.now() }))
    expect(fresh.missesDeletes(stretch(10, 20, 1_000, -1, kept))).toBe(false)
  })

  it('that meet know of the later moment at which one of them was at the end', () => {
    const atEnd = (shard: string, askedAtMs: number): Lane => {
      const lane = new Lane(reader, [shard], checkpoint(40))
      lane.arrive(lane.aim(50, stretch(40, 50, 50, -1, { askedAtMs })))
      return lane
    }
    const lane = atEnd('a', 1_000)
    lane.join(atEnd('b', 2_000))
    lane.admit()
    expect(lane.checkpoint.atEndMs).toBe(2_000)
  })

  it('that meet know of the earlier moment, where one of them counts from its start at 0', () => {
    const behind = new Lane(reader, ['a'], { ...checkpoint(50), atEndMs: 1_000 })
    const fresh = new Lane(reader, ['b'], checkpoint(0))
    fresh.arrive(fresh.aim(50, stretch(0, 50, 100, -1, { askedAtMs: 2_000 })))
    fresh.join(behind)
    fresh.admit()
    expect(fresh.checkpoint.atEndMs).toBe(1_000)
  })
})
