import { expect, it } from 'vitest'
import { type Health, ShardHealth } from '../src/generations/shard-health.ts'
import type { ViewReader } from '../src/model/view-backend.ts'

/** Watches a shard whose answers the test gives, one after another. */
function watched(): {
  readonly shard: ShardHealth
  /** Settles when the next look asks for what is vouched for. */
  readonly asked: () => Promise<{ readonly answer: (vouched: readonly number[]) => Promise<Health['kind']> }>
  readonly end: () => Promise<void>
} {
  const ending = new AbortController()
  const questions: PromiseWithResolvers<readonly number[]>[] = []
  let came = Promise.withResolvers<void>()
  let looked = Promise.withResolvers<void>()
  const reader: Pick<ViewReader, 'filled' | 'vouched'> = {
    filled: async () => true,
    vouched: () => {
      const question = Promise.withResolvers<readonly number[]>()
      questions.push(question)
      came.resolve()
      return question.promise
    },
  }
  const shard = new ShardHealth('a', {
    reader: reader as ViewReader,
    endOffsets: async () => [10],
    looked: () => looked.resolve(),
    signal: ending.signal,
  })
  const watching = shard.watch()
  return {
    shard,
    asked: async () => {
      while (questions.length === 0) {
        came = Promise.withResolvers()
        await came.promise
      }
      const question = questions.shift()
      return {
        answer: async vouched => {
          looked = Promise.withResolvers()
          question?.resolve(vouched)
          await looked.promise
          return shard.now.kind
        },
      }
    },
    end: async () => {
      ending.abort()
      await watching
    },
  }
}

it('an answer that was overtaken by a later one does not make a shard fall behind', async () => {
  const { shard, asked, end } = watched()
  expect(await (await asked()).answer([5])).toBe('up')
  shard.doubt()
  const slow = await asked()
  shard.saw([7])
  expect(await slow.answer([6])).toBe('up')
  await end()
})

it('what was seen meanwhile is not forgotten: a shard that says less when it is asked afterwards is behind', async () => {
  const { shard, asked, end } = watched()
  expect(await (await asked()).answer([5])).toBe('up')
  shard.doubt()
  const slow = await asked()
  shard.saw([7])
  await slow.answer([6])
  shard.doubt()
  expect(await (await asked()).answer([6])).toBe('behind')
  await end()
})
