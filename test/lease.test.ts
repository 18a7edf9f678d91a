import { describe, expect, it, vi } from 'vitest'
import { clockOf } from '../src/log/embedded/clock.ts'
import { openLogFile } from '../src/log/embedded/file.ts'
import { Lease } from '../src/log/embedded/lease.ts'
import { type Claimant, holdLease, type LeaseOutcome, leaseIsHeld } from '../src/log/embedded/lease-row.ts'
import { LogFolder } from './support/embedded-log.ts'
import { quiet } from './support/quiet.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const claimant = (owner: string): Claimant => ({ owner, host: `host of ${owner}`, pid: process.pid })

describe('the lease in the log file', () => {
  it('tells a renewal from one that somebody else may have had in between', async () => {
    await using folder = await LogFolder.make()
    const { db } = openLogFile(folder.path)
    expect(holdLease(db, claimant('a'), () => 0)).toBe('taken')
    expect(holdLease(db, claimant('a'), () => 5_000)).toBe('renewed')
    expect(holdLease(db, claimant('b'), () => 14_000)).toBe('refused')
    expect(holdLease(db, claimant('b'), () => 15_001)).toBe('taken')
    expect(holdLease(db, claimant('a'), () => 25_002)).toBe('taken')
    db.close()
  })

  it('is over where a clock that was set back since would make it last for hours', async () => {
    await using folder = await LogFolder.make()
    const { db } = openLogFile(folder.path)
    expect(holdLease(db, claimant('a'), () => DAY_MS)).toBe('taken')
    expect(leaseIsHeld(db, 'host of b', () => DAY_MS)).toBe(true)
    expect(leaseIsHeld(db, 'host of b', () => DAY_MS - 3_600_000)).toBe(false)
    expect(holdLease(db, claimant('b'), () => DAY_MS - 3_600_000)).toBe('taken')
    db.close()
  })

  it('is judged by the very clock of the machine, whatever time goes by while a call is made', () => {
    let ms = 0
    const now = vi.spyOn(Date, 'now').mockImplementation(() => (ms += 1_000))
    try {
      expect(clockOf(Date.now)).toEqual({ aheadMs: 0 })
      expect(clockOf(() => 7)).toEqual({ aheadMs: 7 - ms })
    } finally {
      now.mockRestore()
    }
  })

  it('that was lost and taken again makes its members begin anew', async () => {
    const answers: LeaseOutcome[] = ['taken', 'taken']
    const events: string[] = []
    const again = Promise.withResolvers<void>()
    const lease = new Lease({ hold: async () => answers.shift() ?? 'renewed', release: async () => undefined, logger: quiet })
    const membership = lease.join(
      { name: 't', id: 't', partitions: 2, recordBytesMax: 1 },
      {
        assigned: partitions => {
          events.push(`assigned ${partitions}`)
          if (events.length === 3) again.resolve()
        },
        revoked: async partitions => void events.push(`revoked ${partitions}`),
        failed: () => undefined,
      },
    )
    await again.promise
    expect(events).toEqual(['assigned 0,1', 'revoked 0,1', 'assigned 0,1'])
    await membership.leave()
    await lease.close()
  })

  it('that was lost is left only once the member has given up what it had', async () => {
    const answers: LeaseOutcome[] = ['taken', 'refused']
    const events: string[] = []
    const [has, loses, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const lease = new Lease({ hold: async () => answers.shift() ?? 'refused', release: async () => undefined, logger: quiet })
    const topic = { name: 't', id: 't', partitions: 1, recordBytesMax: 1 }
    const membership = lease.join(topic, {
      assigned: () => has.resolve(),
      revoked: async () => {
        loses.resolve()
        await gone.promise
        events.push('gave it up')
      },
      failed: () => undefined,
    })
    await has.promise
    // Another one that comes makes it look at once.
    lease.join(topic, { assigned: () => undefined, revoked: async () => undefined, failed: () => undefined })
    await loses.promise
    const left = membership.leave().then(() => events.push('left'))
    setImmediate(gone.resolve)
    await left
    expect(events).toEqual(['gave it up', 'left'])
    await lease.close()
  })
})
