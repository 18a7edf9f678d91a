import { describe, expect, it } from 'vitest'
import type { PresenceRecord } from '../src/generations/presence-record.ts'
import { keptFor } from '../src/model/bounded.ts'
import { addressesLacking, mayRead, readersLacking } from '../src/reshard/checks.ts'

const says = (pid: number, more: Partial<PresenceRecord>, reads: number[]): { readonly name: string; readonly says: PresenceRecord } => ({
  name: String(pid),
  says: {
    format: 1,
    uptimeMs: 1,
    host: 'here',
    pid,
    role: 'api',
    version: '1',
    formats: [1],
    folded: 8,
    backends: {},
    views: { job: { canRead: [1, 2], reads } },
    ...more,
  },
})

describe('who may answer from a generation that leaves', () => {
  it('is who says so, who had not folded yet that it leaves, and who cannot be understood; never a worker alone', () => {
    const living = [
      says(1, {}, [1]),
      says(2, {}, [2]),
      says(3, { folded: 7 }, [2]),
      says(4, { role: 'worker', folded: 0 }, [1]),
      says(5, { role: 'all', folded: 7 }, [2]),
      { name: 'later', says: undefined },
    ]
    expect(mayRead(living, 'job', 1, 7)).toEqual(['here/1', 'here/3', 'here/5', 'a process of a later version (later)'])
  })
})

describe('a process whose config lacks the view', () => {
  const without = says(6, { views: {} }, [])
  const behind = says(7, { views: { job: { canRead: [1], reads: [1] } } }, [])

  it('keeps nobody from switching it, or from making a generation of it', () => {
    expect(readersLacking([without], 'job', 2)).toBe(undefined)
    expect(readersLacking([without, behind], 'job', 2)).toBe('Not every process can read job@2: here/7')
    expect(addressesLacking([without], 'job', 'ring', ['a'])).toBe(undefined)
    expect(addressesLacking([without, behind], 'job', 'ring', ['a'])).toBe(
      'Not every process has the backend ring in its config: here/7 (no backend ring)',
    )
  })
})

describe('an answer that is kept', () => {
  it('is shared while it is young, and not where it failed', async () => {
    let asked = 0
    const ask = keptFor(60_000, async () => {
      asked++
      if (asked === 1) throw new Error('away')
      return asked
    })
    await expect(ask()).rejects.toThrow('away')
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2])
    expect(await keptFor(0, async () => 1)()).toBe(1)
  })
})
