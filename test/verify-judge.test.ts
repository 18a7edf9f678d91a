import { describe, expect, it } from 'vitest'
import { digestOfValue, type Expected, judge } from '../src/verify/difference.ts'
import { at, bytesOf } from './contract/backend/folding.ts'

const expected = (change: Partial<Expected> = {}): Expected => ({
  partition: 0,
  offset: 4,
  faultyOffset: -1,
  inTwoPartitions: false,
  digest: digestOfValue(bytesOf('value')),
  ...change,
})
const whole = { id: 'a', value: bytesOf('value'), listed: true }
const other = { id: 'a', value: bytesOf('other'), listed: true }
const unlisted = { id: 'a', value: bytesOf('value'), listed: false }
const listedOnly = { id: 'a', value: undefined, listed: true }
const nothing = { id: 'a', value: undefined, listed: false }
const deleted = expected({ digest: undefined })

describe('what stands on a shard, against the log', () => {
  it.each([
    ['the same bytes agree', expected(), whole, 'agrees'],
    ['nothing where nothing is expected agrees', deleted, nothing, 'agrees'],
    ['nothing where the log has no record agrees', undefined, nothing, 'agrees'],
    ['other bytes are different', expected(), other, 'different'],
    ['nothing is missing', expected(), nothing, 'missing'],
    ['a value without its place in the list is missing', expected(), unlisted, 'missing'],
    ['a place in the list without its value is missing', expected(), listedOnly, 'missing'],
    ['a deleted entry is extra', deleted, whole, 'extra'],
    ['a deleted entry that only lists show is extra', deleted, listedOnly, 'extra'],
    ['a value of a deleted entry that lists do not show is extra', deleted, unlisted, 'extra'],
    ['an entry that the log never had is extra', undefined, whole, 'extra'],
    ['a key whose last record does not fold is unresolved', expected({ faultyOffset: 5 }), nothing, 'unresolved'],
    ['a key of which no record folds is unresolved', expected({ offset: -1, faultyOffset: 5, digest: undefined }), whole, 'unresolved'],
    ['a key that was resolved is compared', expected({ faultyOffset: 3 }), other, 'different'],
    ['a key in two partitions is not compared', expected({ inTwoPartitions: true }), other, 'two-partitions'],
  ] as const)('%s', (_, expectedOf, found, verdict) => {
    expect(judge(expectedOf, found, [at(5)])).toBe(verdict)
  })

  it('is undecided where the shard does not vouch for the last record, unless they agree', () => {
    const behindHole = { ...at(9), vouched: 4 }
    for (const found of [other, nothing, unlisted]) expect(judge(expected(), found, [behindHole])).toBe('undecided')
    expect(judge(deleted, whole, [behindHole])).toBe('undecided')
    expect(judge(expected(), whole, [behindHole])).toBe('agrees')
    expect(judge(expected({ partition: 1 }), other, [behindHole, at(5)])).toBe('different')
  })
})
