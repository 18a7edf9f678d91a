import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { until, usePipelines } from './support/pipeline.ts'

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
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['definition-changed']))
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
