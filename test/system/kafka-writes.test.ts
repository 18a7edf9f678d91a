import { describe, expect, it } from 'vitest'
import { describeWrites, FULL, runWrites } from '../../bench/writes.ts'

/** A write is tried for 10 s; then it may be waited for until it is visible, and the machine may be busy. */
const ANSWERED_MS = 10_000 + 2_000

describe('1,000 writes a second from 50 connections for a minute, the broker killed with -9 in the middle and started again', () => {
  it('are all answered within 10 s; what was acknowledged is in the log at its offset, and the view equals the fold by kcat', async () => {
    const report = await runWrites(FULL)
    console.log(describeWrites(report))
    expect(report.faults).toEqual([])
    expect(report.differences).toEqual([])
    const { answers } = report
    expect(answers.length).toBe(FULL.rate * FULL.seconds)
    expect(answers.filter(({ sentMs, answeredMs }) => answeredMs - sentMs > ANSWERED_MS)).toEqual([])
    expect(answers.filter(({ status }) => ![200, 202, 503, 504].includes(status))).toEqual([])
    // Before the kill, and from some time after the broker is back, everything is taken.
    const unacknowledged = answers.filter(({ place }) => place === undefined)
    const backMs = FULL.killAfterMs + report.brokerAwayMs
    expect(unacknowledged.filter(({ dueMs, answeredMs }) => answeredMs < FULL.killAfterMs || dueMs > backMs + 2_000)).toEqual([])
  })
})
