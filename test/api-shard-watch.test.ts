import { afterEach, describe, expect, it, vi } from 'vitest'
import { ShardWatch } from '../src/api/shard-watch.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Offset } from '../src/model/record.ts'

afterEach(() => {
  vi.useRealTimers()
})

describe('those who wait for a shard', () => {
  const scripted = (): { watch: ShardWatch; asked: () => number; answer: (vouched: readonly Offset[] | LogfoldError) => Promise<void> } => {
    const questions: PromiseWithResolvers<readonly Offset[]>[] = []
    let asked = 0
    const watch = new ShardWatch(() => {
      asked++
      const question = Promise.withResolvers<readonly Offset[]>()
      questions.push(question)
      return question.promise
    })
    const answer = async (vouched: readonly Offset[] | LogfoldError): Promise<void> => {
      while (questions.length === 0) await new Promise(resolve => setImmediate(resolve))
      expect(questions.length).toBe(1)
      if (vouched instanceof LogfoldError) questions.shift()?.reject(vouched)
      else questions.shift()?.resolve(vouched)
    }
    return { watch, asked: () => asked, answer }
  }

  it('share one question at a time', async () => {
    const { watch, asked, answer } = scripted()
    const waits = Array.from({ length: 100 }, (_, offset) => watch.wait([{ partition: 0, offset }], 20_000, 'fast'))
    expect(asked()).toBe(1)
    await answer([50])
    expect(await Promise.all(waits.slice(0, 50))).toEqual(Array.from({ length: 50 }, () => true))
    expect(asked()).toBe(1)
    await answer([100])
    expect(await Promise.all(waits)).toEqual(Array.from({ length: 100 }, () => true))
    expect(asked()).toBe(2)
  })

  it('wait for all their targets, beyond and not at the offset', async () => {
    const { watch, answer } = scripted()
    const targets = [
      { partition: 0, offset: 5 },
      { partition: 1, offset: 0 },
    ]
    const wait = watch.wait(targets, 20_000, 'fast')
    await answer([5, 1])
    await answer([6])
    await answer([6, 1])
    expect(await wait).toBe(true)
  })

  it('ask at once after a hint, also after one that came during a question', async () => {
    // No pause ends by itself here.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { watch, asked, answer } = scripted()
    const wait = watch.wait([{ partition: 0, offset: 0 }], 20_000, 'slow')
    watch.hint()
    await answer([0])
    await answer([0])
    await new Promise(resolve => setImmediate(resolve))
    expect(asked()).toBe(2)
    watch.hint()
    await answer([1])
    expect(await wait).toBe(true)
    expect(asked()).toBe(3)
  })

  it('ask more and more seldom, and soon again once somebody new waits', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { watch, asked, answer } = scripted()
    const targets = [{ partition: 0, offset: 0 }]
    const waits = [watch.wait(targets, 60_000, 'slow')]
    const pauses: number[] = []
    const pauseAfterAnswer = async (): Promise<void> => {
      const before = asked()
      await answer([0])
      await new Promise(resolve => setImmediate(resolve))
      let pauseMs = 0
      for (; asked() === before; pauseMs++) await vi.advanceTimersByTimeAsync(1)
      pauses.push(pauseMs)
    }
    for (let pause = 0; pause < 11; pause++) await pauseAfterAnswer()
    expect(pauses).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000])
    await answer([0])
    await vi.advanceTimersByTimeAsync(1)
    waits.push(watch.wait(targets, 60_000, 'fast'))
    pauses.length = 0
    for (let waitedMs = 0, before = asked(); asked() === before; waitedMs++) {
      expect(waitedMs).toBeLessThan(3)
      await vi.advanceTimersByTimeAsync(1)
    }
    for (let pause = 0; pause < 7; pause++) await pauseAfterAnswer()
    expect(pauses).toEqual([2, 4, 8, 16, 32, 50, 50])
    await answer([1])
    expect(await Promise.all(waits)).toEqual([true, true])
  })

  it('learn that the shard failed, and the next one asks anew', async () => {
    const { watch, answer } = scripted()
    const wait = watch.wait([{ partition: 0, offset: 0 }], 20_000, 'fast')
    await answer(new LogfoldError('view-unavailable', 'away'))
    await expect(wait).rejects.toMatchObject({ code: 'view-unavailable' })
    const next = watch.wait([{ partition: 0, offset: 0 }], 20_000, 'fast')
    await answer([1])
    expect(await next).toBe(true)
  })

  it('are answered when their time is up, though the shard never answers', async () => {
    const { watch } = scripted()
    expect(await watch.wait([{ partition: 0, offset: 0 }], 1, 'fast')).toBe(false)
  })

  it('are at most 10,000', async () => {
    const { watch, answer } = scripted()
    const waits = Array.from({ length: 10_000 }, () => watch.wait([{ partition: 0, offset: 0 }], 20_000, 'fast'))
    expect(await watch.wait([{ partition: 0, offset: 0 }], 20_000, 'fast')).toBe(false)
    await answer([1])
    expect(new Set(await Promise.all(waits))).toEqual(new Set([true]))
  })
})
