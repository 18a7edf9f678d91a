import { describe, expect, it } from 'vitest'
import type { PresenceRecord } from '../src/generations/presence-record.ts'
import { mayRead } from '../src/reshard/checks.ts'

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
