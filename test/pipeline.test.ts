import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import type { Batch, ShardOutcome, ViewBackend } from '../src/model/view-backend.ts'
import { entries, folded, type TestPipeline, until, usePipelines } from './support/pipeline.ts'

/** A backend of one shard whose batches pass through a test. */
function interceptApply(intercept: (batch: Batch, apply: () => Promise<ShardOutcome>) => Promise<ShardOutcome>): ViewBackend {
  const backend = new MemoryBackend(['a'])
  return {
    shards: backend.shards,
    owner: id => backend.owner(id),
    reader: generation => backend.reader(generation),
    admin: generation => backend.admin(generation),
    ping: shard => backend.ping(shard),
    capacity: shard => backend.capacity(shard),
    close: () => backend.close(),
    writer: generation => {
      const writer = backend.writer(generation)
      return { checkpoints: shard => writer.checkpoints(shard), apply: (shard, batch) => intercept(batch, () => writer.apply(shard, batch)) }
    },
  }
}

const start = usePipelines()

const vouched = async (test: TestPipeline, shard = 'a'): Promise<number | undefined> => (await test.backend.reader(test.generation).vouched(shard))[0]

describe('the pipeline', () => {
  it('folds what is there and what comes, deletes included', async () => {
    const test = await start({ partitions: 2 })
    test.topic.put(0, 'a', '1')
    test.topic.put(1, 'b', '2')
    test.topic.put(0, 'a', '3')
    await test.pipeline.start()
    await folded(test, { a: '3', b: '2' })
    test.topic.put(1, 'b', null)
    test.topic.put(0, 'c', '4')
    test.log.wake()
    await folded(test, { a: '3', c: '4' })
  })

  it('does not let readers take what is not folded yet for absent', async () => {
    const test = await start()
    for (let at = 0; at < 50; at++) test.topic.put(0, `k${at}`, '1')
    const backend = test.backend as MemoryBackend
    await backend.admin(test.generation).open('a')
    await expect(backend.reader(test.generation).get(['k49'])).rejects.toMatchObject({ code: 'view-folding' })
    await test.pipeline.start()
    await until(async () => expect(await backend.reader(test.generation).filled('a')).toBe(true))
    expect(await backend.reader(test.generation).get(['k49'])).toEqual([Buffer.from('1')])
  })

  it('goes on where it was, and folds nothing twice', async () => {
    const first = await start()
    first.topic.put(0, 'a', '1')
    await first.pipeline.start()
    await folded(first, { a: '1' })
    await first.stop()
    first.topic.put(0, 'b', '2')
    const second = await start({ log: first.log, backend: first.backend })
    await second.pipeline.start()
    await folded(second, { a: '1', b: '2' })
    expect(await second.metrics.recordsRead.get()).toMatchObject({ values: [{ value: 1 }] })
  })

  it('stops for safety where the store is beyond the end of the log', async () => {
    const first = await start()
    first.topic.put(0, 'a', '1')
    first.topic.put(0, 'b', '1')
    await first.pipeline.start()
    await folded(first, { a: '1', b: '1' })
    await first.stop()
    first.topic.records[0]?.pop()
    const second = await start({ log: first.log, backend: first.backend })
    await second.pipeline.start()
    await until(() => expect(second.stopped.map(error => error.code)).toEqual(['offset-out-of-range']))
    expect(await entries(first.backend, first.generation)).toEqual({ a: '1', b: '1' })
  })

  it('stops for safety where the store holds something else, and leaves it as it is', async () => {
    const test = await start()
    const other = { ...test.generation, topicId: 'another' }
    await test.backend.admin(other).open('a')
    await test.pipeline.start()
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['foreign-store']))
    expect(await test.backend.writer(other).checkpoints('a')).toMatchObject({ kind: 'open' })
  })

  it('stops where another definition was folded, too', async () => {
    const test = await start()
    await test.backend.admin({ ...test.generation, definitionHash: 'old' }).open('a')
    await test.pipeline.start()
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['foreign-store']))
  })

  it('stops at a store that refuses data it should take', async () => {
    const test = await start()
    ;(test.backend as MemoryBackend).faults('a').refuses = true
    test.topic.put(0, 'a', '1')
    await test.pipeline.start()
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['store-refused']))
  })

  it('folds a shard anew whose deletes may be missing', async () => {
    const first = await start()
    first.topic.put(0, 'gone', '1')
    await first.pipeline.start()
    await folded(first, { gone: '1' })
    await first.stop()
    // Deleted while nobody folded, and the tombstone compacted away.
    first.topic.put(0, 'gone', null)
    first.topic.put(0, 'kept', '2')
    first.topic.remove(0, 0)
    first.topic.remove(0, 1)
    first.topic.tombstonesRemovedTo = 1
    const second = await start({ log: first.log, backend: first.backend })
    await second.pipeline.start()
    await folded(second, { kept: '2' })
  })
})

describe('tombstones that compaction removes before they are folded', () => {
  it('make the shard be folded anew, also in the middle of a fold', async () => {
    const test = await start()
    test.topic.put(0, 'gone', '1')
    test.topic.put(0, 'kept', '1')
    await test.pipeline.start()
    await folded(test, { gone: '1', kept: '1' })
    // Nothing runs in between, so the lane finds all of it at once.
    test.topic.put(0, 'gone', null)
    test.topic.remove(0, 0)
    test.topic.remove(0, 2)
    test.topic.tombstonesRemovedTo = 2
    test.topic.put(0, 'last', '1')
    test.log.wake()
    await folded(test, { kept: '1', last: '1' })
  })

  it('are no reason for who began to fold after they went', async () => {
    const test = await start()
    for (let at = 0; at < 12; at++) test.topic.put(0, `k${at}`, '1')
    test.topic.tombstonesRemovedTo = 9
    ;(test.backend as MemoryBackend).faults('a').answersToLose = 2
    await test.pipeline.start()
    await until(async () => expect(await vouched(test)).toBe(12))
    // Folded anew, records would have been read again.
    const read = (await test.metrics.recordsRead.get()).values[0]?.value ?? 0
    expect(read).toBeLessThan(12 + 3 * 2 + 1)
  })
})

describe('while the log is away', () => {
  it('a worker that starts waits for it, and no view is stopped', async () => {
    const first = await start()
    first.topic.put(0, 'a', '1')
    await first.pipeline.start()
    await folded(first, { a: '1' })
    await first.stop()
    first.log.away = true
    const second = await start({ log: first.log, backend: first.backend })
    const started = second.pipeline.start()
    first.topic.put(0, 'b', '1')
    await new Promise(resolve => setImmediate(resolve))
    first.log.away = false
    await started
    await folded(second, { a: '1', b: '1' })
    expect(second.stopped).toEqual([])
  })
})

describe('behind a hole', () => {
  it('the store vouches only for what lies before, until the end offset of that fetch is reached', async () => {
    const checkpoints: (readonly [position: number, vouched: number])[] = []
    const recording = interceptApply((batch, apply) => {
      checkpoints.push([batch.checkpoint.position, batch.checkpoint.vouched])
      return apply()
    })
    const test = await start({ backend: recording })
    test.log.stretchRecordsMax = 2
    for (const [key, value] of [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
      ['d', '1'],
      ['b', '2'],
    ] as const)
      test.topic.put(0, key, value)
    test.topic.remove(0, 1)
    await test.pipeline.start()
    await folded(test, { a: '1', b: '2', c: '1', d: '1' })
    expect(checkpoints).toEqual([
      [2, 1],
      [4, 1],
      [5, 5],
    ])
  })
})

describe('a shard that answers, but takes no batch', () => {
  it('is tried again after a wait that grows, and is up once it takes one', async () => {
    const times: number[] = []
    const full = interceptApply(async (_batch, apply) => {
      times.push(performance.now())
      return times.length < 4 ? { kind: 'unavailable', cause: new Error('the disk is full') } : apply()
    })
    const test = await start({ backend: full })
    test.topic.put(0, 'a', '1')
    await test.pipeline.start()
    await folded(test, { a: '1' })
    const [first = 0, , third = 0, fourth = 0] = times
    expect(third - first).toBeGreaterThan(100)
    expect(fourth - third).toBeGreaterThan(100)
    expect(test.pipeline.status().shards).toEqual([{ shard: 'a', state: 'up', detail: undefined }])
  })
})

describe('of several shards', () => {
  const shards = ['a', 'b', 'c']
  const keys = Array.from({ length: 60 }, (_, at) => `key-${at}`)
  const all = (value: string): Record<string, string> => Object.fromEntries(keys.map(key => [key, value]))

  it('one that is down holds up no other, and catches up alone when it is back', async () => {
    const test = await start({ shards })
    const backend = test.backend as MemoryBackend
    for (const key of keys) test.topic.put(0, key, '1')
    await test.pipeline.start()
    await folded(test, all('1'))
    backend.faults('b').away = true
    for (const key of keys) test.topic.put(0, key, '2')
    test.log.wake()
    await until(async () => expect([await vouched(test, 'a'), await vouched(test, 'c')]).toEqual([120, 120]))
    backend.faults('b').away = false
    await folded(test, all('2'))
    expect(test.pipeline.status().partitions).toEqual([{ partition: 0, position: 120, endOffset: 120, lagRecords: 0 }])
  })

  it('one that hangs is left behind', async () => {
    const test = await start({ shards })
    const backend = test.backend as MemoryBackend
    for (const key of keys) test.topic.put(0, key, '1')
    await test.pipeline.start()
    await folded(test, all('1'))
    const hold = backend.faults('b').hold()
    for (const key of keys) test.topic.put(0, key, '2')
    test.log.wake()
    await hold.reached
    await until(async () => expect([await vouched(test, 'a'), await vouched(test, 'c')]).toEqual([120, 120]))
    hold.release()
    await folded(test, all('2'))
  })

  it('one that lost its data is folded again from the start, alone, and answers nothing until it is filled', async () => {
    const test = await start({ shards })
    const backend = test.backend as MemoryBackend
    for (const key of keys) test.topic.put(0, key, '1')
    await test.pipeline.start()
    await folded(test, all('1'))
    backend.faults('b').lose()
    const lost = keys.find(key => backend.owner(key) === 'b') ?? ''
    const wrong: unknown[] = []
    const reading = until(async () => {
      const answer = await backend.reader(test.generation).get([lost])
      if (answer[0] === undefined) wrong.push(answer)
    })
    test.topic.put(0, 'one-more', '1')
    test.log.wake()
    await reading
    await folded(test, { ...all('1'), 'one-more': '1' })
    expect(wrong).toEqual([])
  })

  it('one that lost its data is noticed though no record comes', async () => {
    const test = await start({ shards })
    for (const key of keys) test.topic.put(0, key, '1')
    await test.pipeline.start()
    await folded(test, all('1'))
    ;(test.backend as MemoryBackend).faults('b').lose()
    await expect(entries(test.backend, test.generation)).rejects.toMatchObject({ code: 'view-lost' })
    await folded(test, all('1'))
  })

  it('an answer that is lost on the way is no harm', async () => {
    const test = await start({ shards })
    ;(test.backend as MemoryBackend).faults('a').answersToLose = 3
    for (const key of keys) test.topic.put(0, key, '1')
    await test.pipeline.start()
    await folded(test, all('1'))
  })
})
