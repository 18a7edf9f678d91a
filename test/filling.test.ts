import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Logger } from '../src/model/logger.ts'
import type { ViewAdmin } from '../src/model/view-backend.ts'
import { Filling } from '../src/pipeline/filling.ts'
import { batch, set, textOf } from './contract/backend/folding.ts'
import { testPipeline, until } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'

describe('a view that is filled', () => {
  const setUp = async (logger: Logger = quiet) => {
    const { log, topic, generation } = await testPipeline()
    const backend = new MemoryBackend(['a', 'b'])
    const real = backend.admin(generation)
    for (const shard of backend.shards) await real.open(shard)
    const stopped: LogfoldError[] = []
    /** A worker that goes to the store in some other way. */
    const worker = (changed: Partial<ViewAdmin>): Filling => {
      const admin: ViewAdmin = {
        open: (shard, how) => real.open(shard, how),
        opening: shard => real.opening(shard),
        markFilled: (shard, opening, ends) => real.markFilled(shard, opening, ends),
        serve: (shard, since) => real.serve(shard, since),
        marks: shard => real.marks(shard),
        stats: shard => real.stats(shard),
        scan: (shard, options) => real.scan(shard, options),
        look: (shard, ids) => real.look(shard, ids),
        drop: (shard, signal) => real.drop(shard, signal),
        ...changed,
      }
      return new Filling({ log, topic, generation, backend, logger, stop: error => stopped.push(error) }, admin)
    }
    return { worker, stopped, topic, backend, generation, real, reader: backend.reader(generation) }
  }

  it('is looked at again where a shard was opened anew while it was being marked', async () => {
    const { worker, real, reader } = await setUp()
    const marking = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const filling = worker({
      markFilled: async (shard, opening, ends) => {
        const marked = await real.markFilled(shard, opening, ends)
        if (shard === 'b') {
          marking.resolve()
          await release.promise
        }
        return marked
      },
    })
    filling.start()
    await marking.promise
    await real.open('b', { anew: true })
    filling.opened('b')
    release.resolve()
    await until(async () => expect(await reader.filled('b')).toBe(true))
    await filling.stop()
  })

  it('is not marked by a worker that was paused between end offsets and mark, while the shard was opened anew', async () => {
    const { worker, topic, backend, generation, real, reader } = await setUp()
    const id = 'x'
    const shard = backend.owner(id)
    const writer = backend.writer(generation)
    const fold = async (from: number, to: number) =>
      expect(await writer.apply(shard, batch(0, from, to, to < 2 ? [] : [set(id, '1', 1)]))).toEqual({ kind: 'applied' })
    const paused = Promise.withResolvers<void>()
    const wakes = Promise.withResolvers<void>()
    const marks: [number | undefined, boolean][] = []
    const filling = worker({
      markFilled: async (of, opening, ends) => {
        if (of !== shard) return await real.markFilled(of, opening, ends)
        paused.resolve()
        await wakes.promise
        const marked = await real.markFilled(of, opening, ends)
        if (marks.at(-1)?.[0] !== ends[0] || marked) marks.push([ends[0], marked])
        return marked
      },
    })
    topic.put(0, 'y', '1')
    filling.start()
    await paused.promise

    // Meanwhile another worker fills it, and, when it was lost, folds it again.
    topic.put(0, id, '1')
    await fold(0, 2)
    await real.markFilled(shard, await real.opening(shard), [2])
    expect((await reader.get([id])).map(textOf)).toEqual(['1'])
    backend.faults(shard).lose()
    expect(await real.open(shard)).toBe('opened')
    await fold(0, 1)
    wakes.resolve()
    await until(() =>
      expect(marks).toEqual([
        [1, false],
        [2, false],
      ]),
    )
    await expect(reader.get([id])).rejects.toMatchObject({ code: 'view-folding' })

    await fold(1, 2)
    await until(() =>
      expect(marks).toEqual([
        [1, false],
        [2, false],
        [2, true],
      ]),
    )
    expect((await reader.get([id])).map(textOf)).toEqual(['1'])
    await filling.stop()
  })

  it('is marked shard by shard: one that is lost, or holds something else, holds up no other', async () => {
    const warnings: string[] = []
    const { worker, backend, generation, real, reader } = await setUp({ ...quiet, warn: message => warnings.push(message) })
    backend.faults('a').lose()
    const asked = Promise.withResolvers<void>()
    let askedFor = 0
    const filling = worker({
      opening: shard => {
        if (shard === 'a' && ++askedFor === 4) asked.resolve()
        return real.opening(shard)
      },
    })
    filling.start()
    await until(async () => expect(await reader.filled('b')).toBe(true))
    await backend.admin({ ...generation, uid: 'another' }).open('a')
    await asked.promise
    expect(warnings).toEqual([])
    backend.faults('a').lose()
    await real.open('a')
    await until(async () => expect(await reader.filled('a')).toBe(true))
    await filling.stop()
  })

  it.each(['a', 'b'])('is marked shard by shard: %s, which is away, holds up no other', async away => {
    const { worker, backend, reader } = await setUp()
    const other = away === 'a' ? 'b' : 'a'
    backend.faults(away).away = true
    const filling = worker({})
    filling.start()
    await until(async () => expect(await reader.filled(other)).toBe(true))
    backend.faults(away).away = false
    await until(async () => expect(await reader.filled(away)).toBe(true))
    await filling.stop()
  })

  it.each(['opening', 'markFilled'] as const)('is stopped by a bug that the store’s code meets in %s, and not by an outage', async asked => {
    const { worker, stopped } = await setUp()
    const askedAgain = Promise.withResolvers<void>()
    let asks = 0
    let thrown: unknown = new LogfoldError('view-unavailable', 'away')
    const filling = worker({
      [asked]: async () => {
        // Each round asks at most both shards.
        if (++asks === 3) askedAgain.resolve()
        throw thrown
      },
    })
    filling.start()
    await askedAgain.promise
    expect(stopped).toEqual([])
    thrown = new TypeError('odd')
    await until(() => expect(stopped).toMatchObject([{ code: 'internal', message: expect.stringContaining('odd'), cause: thrown }]))
    await filling.stop()
  })

  it('is stopped by a bug of one shard, though another one is away', async () => {
    const { worker, stopped } = await setUp()
    const filling = worker({
      opening: async shard => {
        throw shard === 'a' ? new LogfoldError('view-unavailable', 'away') : new TypeError('odd')
      },
    })
    filling.start()
    await until(() => expect(stopped).toMatchObject([{ code: 'internal' }]))
    await filling.stop()
  })

  it('is never shown to people: that is for whoever knows which serves', async () => {
    const { worker, real, reader } = await setUp()
    let serves = 0
    const filling = worker({
      marks: async shard => ({ ...(await real.marks(shard)), shown: false }),
      serve: async () => {
        serves++
        return 'shown'
      },
    })
    filling.start()
    for (const shard of ['a', 'b']) await until(async () => expect(await reader.filled(shard)).toBe(true))
    await filling.check('a')
    await filling.stop()
    expect(serves).toBe(0)
  })

  it('is marked again where the mark is gone', async () => {
    const { worker, real } = await setUp()
    let marks = 0
    let filled = true
    const marked = new EventEmitter()
    const filling = worker({
      marks: async () => ({ filled, shown: true }),
      markFilled: async (...args) => {
        const done = await real.markFilled(...args)
        if (++marks >= 2) marked.emit('marked')
        return done
      },
    })
    const both = once(marked, 'marked')
    filling.start()
    await both
    await filling.stop()
    filling.start()
    await until(() => expect(marks).toBe(4))
    await filling.check('a')
    expect(marks).toBe(4)
    filled = false
    const again = once(marked, 'marked')
    await filling.check('a')
    await again
    expect(marks).toBe(5)
    await filling.stop()
  })

  it.each(['view-lost', 'foreign-store', 'view-unavailable', 'closed'] as const)(
    'is left to others by a check that is answered %s; a bug is thrown',
    async code => {
      const { worker } = await setUp()
      let thrown: Error = new LogfoldError(code, 'no marks')
      const filling = worker({
        marks: async () => {
          throw thrown
        },
      })
      await filling.check('a')
      thrown = new TypeError('odd')
      await expect(filling.check('a')).rejects.toBe(thrown)
    },
  )

  it('waits between two tries to mark it, and complains once', async () => {
    const warnings: string[] = []
    const { worker } = await setUp({ ...quiet, warn: message => warnings.push(message) })
    let tries = 0
    const third = Promise.withResolvers<void>()
    const filling = worker({
      markFilled: async shard => {
        if (shard === 'a' && ++tries === 3) third.resolve()
        throw new LogfoldError('view-unavailable', 'locked')
      },
    })
    const startedMs = performance.now()
    filling.start()
    await third.promise
    expect(performance.now() - startedMs).toBeGreaterThan(50)
    await filling.stop()
    expect(warnings).toHaveLength(1)
  })
})
