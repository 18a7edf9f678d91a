import { describe, expect, it } from 'vitest'
import { type Clock, Meter, Throttle } from '../src/verify/pace.ts'
import { told, verifyWorld } from './support/verify-world.ts'

/** Time passes only where it is waited for, or is told to. */
class TestClock implements Clock {
  now = 0
  readonly waits: number[] = []
  nowMs(): number {
    return this.now
  }
  async wait(ms: number): Promise<void> {
    this.waits.push(ms)
    this.now += ms
  }
}

const never = new AbortController().signal

describe('a throttle', () => {
  it('lets so many through a second, and saves up no idle time', async () => {
    const clock = new TestClock()
    const throttle = new Throttle(1_000, clock)
    for (let nth = 0; nth < 10; nth++) await throttle.took(100, never)
    expect(clock.now).toBe(1_000)
    clock.now += 60_000
    await throttle.took(500, never)
    expect(clock.waits.at(-1)).toBe(500)
  })

  it('does not wait for a moment, but forgets none of them', async () => {
    const clock = new TestClock()
    const throttle = new Throttle(1_000, clock)
    for (let nth = 0; nth < 100; nth++) await throttle.took(1, never)
    expect(clock.waits.every(ms => ms >= 10)).toBe(true)
    expect(clock.now).toBeGreaterThan(85)
    expect(clock.now).toBeLessThanOrEqual(100)
  })
})

describe('a meter', () => {
  it('tells rate and time left of a phase that went on where it was left', () => {
    const clock = new TestClock()
    const meter = new Meter(clock)
    meter.begin(1_000, 5_000)
    expect(meter.progress()).toEqual({ done: 1_000, total: 5_000, perSecond: 0, etaSeconds: null })
    clock.now = 2_000
    meter.add(1_000)
    expect(meter.progress()).toEqual({ done: 2_000, total: 5_000, perSecond: 500, etaSeconds: 6 })
    clock.now = 4_000
    meter.add(4_000)
    expect(meter.progress()).toEqual({ done: 6_000, total: 6_000, perSecond: 1_250, etaSeconds: 0 })
  })

  it('goes by the last seconds', () => {
    const clock = new TestClock()
    const meter = new Meter(clock)
    meter.begin(0, 100_000)
    for (let second = 0; second < 100; second++) {
      clock.now += 1_000
      meter.add(second < 50 ? 10 : 1_000)
    }
    expect(meter.progress().perSecond).toBe(1_000)
  })
})

it('verify takes its time as it is told to', async () => {
  const world = await verifyWorld()
  for (let nth = 0; nth < 50; nth++) world.topic.put(0, `k${nth}`, '1')
  await world.pipeline.start()
  await world.caughtUp()
  const clock = new TestClock()
  const verify = world.verify({ clock })
  verify.start({ repair: false, rate: 10 })
  const done = await verify.finished()
  if (done === undefined) throw new Error('nothing was started')
  expect([done.phase, told(done), done.rate]).toEqual(['done', [], 10])
  // 50 records and 50 entries at 10 a second.
  expect(Math.round(clock.now)).toBe(10_000)
})
