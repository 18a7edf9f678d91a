import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { LogfoldError } from '../src/model/errors.ts'
import { folded, until, usePipelines } from './support/pipeline.ts'

const start = usePipelines()

/** One of them may say that the ring is another's, or was folded by another definition. */
describe('before it opens a shard the pipeline asks all of them what they hold, and', () => {
  it('leaves a shard alone that was added to a ring of another definition', async () => {
    const backend = new MemoryBackend(['a', 'b', 'new'])
    const test = await start({ backend })
    const before = { ...test.generation, definitionHash: 'old' }
    for (const shard of ['a', 'b']) await backend.admin(before).open(shard)
    // They answer later than the new one does.
    const holds = ['a', 'b'].map(shard => backend.faults(shard).hold())
    await test.pipeline.start()
    await Promise.all(holds.map(({ reached }) => reached))
    await setImmediate()
    for (const { release } of holds) release()
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['foreign-store']))
    await test.stop()
    expect(await backend.writer(test.generation).checkpoints('new')).toEqual({ kind: 'lost' })
  })

  it('opens a shard though another does not say what it holds', async () => {
    const backend = new MemoryBackend(['a', 'new'])
    const { release } = backend.faults('a').hold()
    const test = await start({ backend })
    await test.pipeline.start()
    await until(async () => expect(await backend.writer(test.generation).checkpoints('new')).toMatchObject({ kind: 'open' }))
    release()
  })
})

it('a shard that the generation was dropped from is waited for, and stays as it is, while the others are folded', async () => {
  const backend = new MemoryBackend(['a', 'b'])
  const test = await start({ backend })
  await backend.admin(test.generation).drop('a')
  await test.pipeline.start()
  await until(() =>
    expect(test.pipeline.status().shards).toEqual([
      { shard: 'a', state: 'waiting', detail: 'this generation was dropped there' },
      { shard: 'b', state: 'up', detail: undefined },
    ]),
  )
  await test.stop()
  expect(test.stopped).toEqual([])
  expect(await backend.writer(test.generation).checkpoints('a')).toEqual({ kind: 'lost' })
})

describe('whether a shard may be opened', () => {
  it('is asked right before, after what the shards hold was looked at, each time until it may', async () => {
    const backend = new MemoryBackend(['a'])
    const { reached, release } = backend.faults('a').hold()
    const asked: string[] = []
    let answer = false
    const mayOpen = async (shard: string, why: string): Promise<boolean> => {
      asked.push(`${shard} ${why}`)
      return answer
    }
    const test = await start({ backend, mayOpen })
    test.topic.put(0, 'k', '1')
    await test.pipeline.start()
    await reached
    await setImmediate()
    expect(asked).toEqual([])
    release()
    const detail = 'it is not known yet whether it may be opened'
    await until(() => expect(asked.length).toBeGreaterThan(2))
    expect(test.pipeline.status().shards).toEqual([{ shard: 'a', state: 'waiting', detail }])
    expect(await backend.writer(test.generation).checkpoints('a')).toEqual({ kind: 'lost' })
    answer = true
    await folded(test, { k: '1' })
    expect(new Set(asked)).toEqual(new Set(['a lost']))
    await until(() => expect(test.pipeline.status().shards).toMatchObject([{ state: 'up' }]))
  })

  it('is asked of a shard whose deletes may be missing, which keeps what it has until it may be emptied', async () => {
    const asked: string[] = []
    let answer = true
    const mayOpen = async (shard: string, why: string): Promise<boolean> => {
      asked.push(`${shard} ${why}`)
      return answer
    }
    const first = await start({ mayOpen })
    first.topic.put(0, 'k', '1')
    first.topic.put(0, 'gone', '1')
    await first.pipeline.start()
    await folded(first, { k: '1', gone: '1' })
    await first.stop()
    answer = false
    asked.length = 0
    first.topic.put(0, 'gone', null)
    for (const offset of [1, 2]) first.topic.remove(0, offset)
    first.topic.tombstonesRemovedTo = 2
    const second = await start({ log: first.log, backend: first.backend, mayOpen })
    await second.pipeline.start()
    await until(() => expect(asked.length).toBeGreaterThan(1))
    await folded(second, { k: '1', gone: '1' })
    const detail = 'it may have missed deletes; it is not known yet whether it may be emptied'
    expect(second.pipeline.status().shards).toEqual([{ shard: 'a', state: 'waiting', detail }])
    answer = true
    await folded(second, { k: '1' })
    expect(new Set(asked)).toEqual(new Set(['a anew']))
  })

  it('is told as the error says that keeps it from being known, and is asked again', async () => {
    let error: LogfoldError | undefined = new LogfoldError('log-unavailable', 'The log is away')
    const mayOpen = async (): Promise<boolean> => {
      if (error !== undefined) throw error
      return true
    }
    const test = await start({ mayOpen })
    test.topic.put(0, 'k', '1')
    await test.pipeline.start()
    await until(() => expect(test.pipeline.status().shards).toEqual([{ shard: 'a', state: 'waiting', detail: 'The log is away' }]))
    expect(await test.backend.writer(test.generation).checkpoints('a')).toEqual({ kind: 'lost' })
    error = undefined
    await folded(test, { k: '1' })
    expect(test.stopped).toEqual([])
  })

  it('stops the view where a bug is met', async () => {
    const test = await start({
      mayOpen: async () => {
        throw new TypeError('no such thing')
      },
    })
    await test.pipeline.start()
    await until(() => expect(test.stopped.map(({ code, message }) => [code, message])).toEqual([['internal', 'Partition 0: no such thing']]))
  })
})
