import { describe, expect, it } from 'vitest'
import { Growth } from '../src/model/growth.ts'

/** Of what is at these amounts at these seconds, and asked at the last of them. */
function grown(...amounts: readonly (readonly [atSeconds: number, amount: number])[]): Growth {
  let nowMs = 0
  const growth = new Growth(() => nowMs)
  for (const [atSeconds, amount] of amounts) {
    nowMs = 1_000 * atSeconds
    growth.at(amount)
  }
  return growth
}

describe('how fast something grows', () => {
  it('is as of the last second that was looked at, or until now where what there is now is said', () => {
    const growth = grown([0, 0], [2, 100], [2.5, 200])
    expect(growth.perSecond()).toBe(50)
    expect(growth.perSecond(200)).toBe(80)
  })

  it('is not known at first, nor where it has just begun anew with less', () => {
    expect(grown().perSecond()).toBe(0)
    expect(grown([5, 70]).perSecond()).toBe(0)
    const growth = grown([0, 0], [1, 100], [1.1, 10])
    expect(growth.perSecond()).toBe(0)
    expect(grown([0, 0], [1, 100], [1.1, 10], [3.1, 30]).perSecond()).toBe(10)
  })

  it('goes by the last 20 looks, a second apart at least', () => {
    const looks = Array.from({ length: 100 }, (_, second) => [second, second < 50 ? 10 * second : 500 + 1_000 * (second - 50)] as const)
    expect(grown(...looks).perSecond()).toBe(1_000)
  })
})
