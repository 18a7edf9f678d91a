import { PRESENCE_FORMAT, type PresenceRecord } from '../../src/generations/presence-record.ts'

/** What a process says of itself that answers reads of `job` from generation 1. */
export const standing: Omit<PresenceRecord, 'format' | 'uptimeMs'> = {
  host: 'here',
  pid: 7,
  role: 'all',
  version: '0.1.0',
  formats: [1],
  folded: 3,
  backends: { ring3: ['a', 'b', 'c'] },
  views: { job: { canRead: [1], reads: [1] } },
}

export const presenceRecord = (uptimeMs: number): PresenceRecord => ({ ...standing, format: PRESENCE_FORMAT, uptimeMs })
