import { describe, expect, it } from 'vitest'
import { Meter } from '../src/verify/meter.ts'
import { PassingClock } from './support/passing-clock.ts'
import { told, verifyWorld } from './support/verify-world.ts'

describe('a meter', () => {
  it('tells rate and time left of a phase that went on where it was left', () => {
    const clock = new PassingClock()
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
    const clock = new PassingClock()
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
  const clock = new PassingClock()
  const verify = world.verify({ clock })
  verify.start({ repair: false, rate: 10 })
  const done = await verify.finished()
  if (done === undefined) throw new Error('nothing was started')
  expect([done.phase, told(done), done.rate]).toEqual(['done', [], 10])
  // 50 records and 50 entries at 10 a second.
  expect(Math.round(clock.now)).toBe(10_000)
})
