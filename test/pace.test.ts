import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { Throttle } from '../src/pipeline/pace.ts'
import { HeldClock } from './support/held-clock.ts'
import { PassingClock } from './support/passing-clock.ts'

const never = new AbortController().signal

describe('a throttle', () => {
  it('lets so many through a second, and saves up no idle time', async () => {
    const clock = new PassingClock()
    const throttle = new Throttle(1_000, clock)
    for (let nth = 0; nth < 10; nth++) await throttle.took(100, never)
    expect(clock.now).toBe(1_000)
    clock.now += 60_000
    await throttle.took(500, never)
    expect(clock.waits.at(-1)).toBe(500)
  })

  it('does not wait for a moment, but forgets none of them', async () => {
    const clock = new PassingClock()
    const throttle = new Throttle(1_000, clock)
    for (let nth = 0; nth < 100; nth++) await throttle.took(1, never)
    expect(clock.waits.every(ms => ms >= 10)).toBe(true)
    expect(clock.now).toBeGreaterThan(85)
    expect(clock.now).toBeLessThanOrEqual(100)
  })
})

describe('a throttle whose rate is changed', () => {
  /** @returns what has been let through, in its order */
  const waiting = (throttle: Throttle, counts: readonly number[]): number[] => {
    const through: number[] = []
    for (const count of counts) throttle.took(count, never).then(() => through.push(count))
    return through
  }

  it('lets who waits already go by the new rate, at once', async () => {
    const clock = new HeldClock()
    const throttle = new Throttle(10, clock)
    const through = waiting(throttle, [10, 20])
    expect(clock.waitsMs).toEqual([1_000, 3_000])
    clock.advance(500)
    throttle.change(100)
    await setImmediate()
    expect([through, clock.waitsMs]).toEqual([[], [50, 250]])
    clock.advance(50)
    await setImmediate()
    expect([through, clock.waitsMs]).toEqual([[10], [200]])
    throttle.change(1)
    await setImmediate()
    expect(clock.waitsMs).toEqual([20_000])
    throttle.change(undefined)
    await setImmediate()
    expect([through, clock.waitsMs]).toEqual([[10, 20], []])
  })

  it('owes nothing for what was done while nothing held it down', async () => {
    const clock = new HeldClock()
    const throttle = new Throttle(undefined, clock)
    await throttle.took(1_000_000, never)
    throttle.change(10)
    await throttle.free(never)
    const through = waiting(throttle, [5])
    expect([through, clock.waitsMs]).toEqual([[], [500]])
  })

  it('ends a wait where the signal says so', async () => {
    const clock = new HeldClock()
    const stop = new AbortController()
    const stopped = new Throttle(1, clock).took(1_000, stop.signal)
    stop.abort()
    await stopped
    expect(clock.waitsMs).toEqual([])
  })
})
