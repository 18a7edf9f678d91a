import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { realClock } from '../src/pipeline/pace.ts'
import { Steering } from '../src/pipeline/steering.ts'
import { HeldClock } from './support/held-clock.ts'
import { folded, type TestPipeline, until, usePipelines } from './support/pipeline.ts'
import { ScriptedLog } from './support/scripted-log.ts'

const start = usePipelines()

/** Counts the stretches of the view's topic that were asked for, and that were given. */
class CountingLog extends ScriptedLog {
  asked = 0
  given = 0
  override reader(...[topic, partition, position]: Parameters<ScriptedLog['reader']>): ReturnType<ScriptedLog['reader']> {
    const reader = super.reader(topic, partition, position)
    if (topic.name !== 'job') return reader
    return {
      next: async waitMs => {
        this.asked++
        const stretch = await reader.next(waitMs)
        this.given++
        return stretch
      },
      close: () => reader.close(),
    }
  }
}

/** Whatever can be done without time passing, or anybody doing anything, has been done. */
async function settled(): Promise<void> {
  for (let nth = 0; nth < 20; nth++) await setImmediate()
}

const positions = ({ pipeline }: TestPipeline): unknown => pipeline.status().partitions.map(({ position }) => position)

describe('a pipeline that is paused', () => {
  it('before it starts opens its shards, keeps its membership, and folds nothing until it may go on', async () => {
    const log = new CountingLog()
    const test = await start({ log })
    test.topic.put(0, 'a', '1')
    test.pipeline.steer({ paused: true, rate: undefined })
    await test.pipeline.start()
    await until(async () => expect(await test.backend.writer(test.generation).checkpoints('a')).toMatchObject({ checkpoints: [{ position: 0 }] }))
    await settled()
    expect([log.asked, await log.members('logfold.job@1')]).toEqual([0, 1])
    expect([test.pipeline.unready(), test.pipeline.status().paused]).toEqual(['it is paused', true])
    test.pipeline.steer({ paused: false, rate: undefined })
    await folded(test, { a: '1' })
    await until(() => expect([test.pipeline.unready(), test.pipeline.status().paused]).toEqual([undefined, false]))
  })

  it('holds what comes while it waits for records, and folds just that later', async () => {
    const log = new CountingLog()
    const test = await start({ log })
    test.topic.put(0, 'a', '1')
    await test.pipeline.start()
    await folded(test, { a: '1' })
    await until(() => expect(log.asked).toBeGreaterThan(log.given))
    test.pipeline.steer({ paused: true, rate: undefined })
    const { asked } = log
    test.topic.put(0, 'a', '2')
    log.wake()
    await until(() => expect(log.given).toBe(asked))
    await settled()
    expect([positions(test), log.asked]).toEqual([[1], asked])
    await folded(test, { a: '1' })
    test.topic.put(0, 'b', '3')
    test.pipeline.steer({ paused: false, rate: undefined })
    await folded(test, { a: '2', b: '3' })
  })

  it('ends the batch under way, and begins no other', async () => {
    const log = new CountingLog()
    const backend = new MemoryBackend(['a'])
    let held: { readonly release: () => void } | undefined
    const writer = backend.writer.bind(backend)
    const applying = Promise.withResolvers<void>()
    backend.writer = generation => {
      const whole = writer(generation)
      const apply = whole.apply.bind(whole)
      whole.apply = (shard, batch) => {
        held ??= backend.faults('a').hold()
        applying.resolve()
        return apply(shard, batch)
      }
      return whole
    }
    const test = await start({ log, backend })
    for (let nth = 0; nth < 9; nth++) test.topic.put(0, `k${nth}`, '1')
    await test.pipeline.start()
    await applying.promise
    test.pipeline.steer({ paused: true, rate: undefined })
    const { asked } = log
    held?.release()
    await until(() => expect(positions(test)).toEqual([3]))
    await settled()
    expect([positions(test), log.asked]).toEqual([[3], asked])
    test.pipeline.steer({ paused: false, rate: undefined })
    await until(() => expect(positions(test)).toEqual([9]))
  })

  it.each([
    ['was emptied', async ({ backend, generation }: TestPipeline) => void (await backend.admin(generation).open('a', { anew: true }))],
    [
      'has missed deletes',
      async ({ topic }: TestPipeline) => {
        topic.put(0, 'gone', null)
        for (const offset of [1, 3]) topic.remove(0, offset)
        topic.tombstonesRemovedTo = 3
      },
    ],
  ])('holds a stretch that is of no use any more where its shard %s meanwhile: the shard is folded from the start', async (_, happen) => {
    const log = new CountingLog()
    const test = await start({ log })
    test.topic.put(0, 'a', '1')
    test.topic.put(0, 'gone', '1')
    await test.pipeline.start()
    await folded(test, { a: '1', gone: '1' })
    test.pipeline.steer({ paused: true, rate: undefined })
    const { asked } = log
    test.topic.put(0, 'b', '2')
    log.wake()
    await until(() => expect(log.given).toBe(asked))
    await happen(test)
    test.pipeline.steer({ paused: false, rate: undefined })
    const gone = test.topic.records[0]?.[1] === undefined ? {} : { gone: '1' }
    await folded(test, { a: '1', b: '2', ...gone })
    expect(test.stopped).toEqual([])
  })

  it('still watches its shards, and ends when it is told to', async () => {
    const backend = new MemoryBackend(['a'])
    const test = await start({ backend })
    test.topic.put(0, 'a', '1')
    await test.pipeline.start()
    await folded(test, { a: '1' })
    test.pipeline.steer({ paused: true, rate: undefined })
    backend.faults('a').away = true
    await until(() => expect(test.pipeline.status().shards).toMatchObject([{ state: 'waiting' }]))
    await test.pipeline.stop()
    expect([await test.log.members('logfold.job@1'), test.stopped]).toEqual([0, []])
  })
})

describe('a pipeline that is held down to a rate', () => {
  it('folds so many records a second, over all its partitions, whenever it is told', async () => {
    const clock = new HeldClock()
    const test = await start({ clock, partitions: 2 })
    for (let nth = 0; nth < 18; nth++) test.topic.put(nth % 2, `k${nth}`, '1')
    test.pipeline.steer({ paused: false, rate: 10 })
    await test.pipeline.start()
    await until(() => expect(clock.waitsMs).toEqual([600, 600]))
    expect(positions(test)).toEqual([3, 3])
    clock.advance(599)
    await settled()
    expect([positions(test), clock.waitsMs]).toEqual([
      [3, 3],
      [1, 1],
    ])
    clock.advance(1)
    await until(() => expect(clock.waitsMs).toEqual([600, 600]))
    expect(positions(test)).toEqual([6, 6])
    test.pipeline.steer({ paused: false, rate: 1 })
    await until(() => expect(clock.waitsMs).toEqual([6_000, 6_000]))
    test.pipeline.steer({ paused: false, rate: undefined })
    await until(() => expect(positions(test)).toEqual([9, 9]))
  })

  it('reacts to a pause while it waits for its time, and to its end', async () => {
    const clock = new HeldClock()
    const log = new CountingLog()
    const test = await start({ clock, log })
    for (let nth = 0; nth < 9; nth++) test.topic.put(0, `k${nth}`, '1')
    test.pipeline.steer({ paused: false, rate: 1 })
    await test.pipeline.start()
    await until(() => expect(clock.waitsMs).toEqual([3_000]))
    test.pipeline.steer({ paused: true, rate: 1 })
    expect(test.pipeline.unready()).toBe('it is paused')
    clock.advance(60_000)
    await settled()
    expect([positions(test), log.asked]).toEqual([[3], 1])
    test.pipeline.steer({ paused: false, rate: 1 })
    await until(() => expect(clock.waitsMs).toEqual([3_000]))
    expect([positions(test), log.asked]).toEqual([[6], 2])
    await test.pipeline.stop()
    expect([clock.waitsMs, positions(test), test.stopped]).toEqual([[], [], []])
  })
})

describe('what is said again', () => {
  it('changes nothing, so that it hides no partition that stands still', () => {
    const steering = new Steering(realClock)
    expect(steering.steer({ paused: false, rate: undefined })).toBe(false)
    expect(steering.steer({ paused: false, rate: 10 })).toBe(true)
    expect(steering.steer({ paused: false, rate: 10 })).toBe(false)
    expect(steering.steer({ paused: true, rate: 10 })).toBe(true)
    expect(steering.steer({ paused: true, rate: 10 })).toBe(false)
  })
})
