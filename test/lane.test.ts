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
const stretch = (from: number, next: number, endOffset: number, tombstonesRemovedTo = -1): Stretch => ({
  partition: 0,
  from,
  next,
  endOffset,
  tombstonesRemovedTo,
  hole: undefined,
  leaderEpoch: -1,
  bytes: 0,
  records: () => {
    throw new Error('not walked here')
  },
})

describe('lanes that meet', () => {
  it('vouch for no more than any of them, also where one still waits in a lane that moves on to a third', () => {
    const behind = new Lane(reader, ['a'], checkpoint(30, 4))
    behind.aim(30, stretch(30, 30, 33), 0)
    const middle = new Lane(reader, ['b'], checkpoint(30))
    const ahead = new Lane(reader, ['c'], checkpoint(30))
    middle.join(behind)
    ahead.join(middle)
    ahead.admit()
    expect([...ahead.shards].sort()).toEqual(['a', 'b', 'c'])
    expect(ahead.aim(31, stretch(30, 31, 33), 0).vouched).toBe(4)
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
})
