import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Logger } from '../src/model/logger.ts'
import type { ViewAdmin } from '../src/model/view-backend.ts'
import { Filling } from '../src/pipeline/filling.ts'
import { silent, testPipeline, until } from './support/pipeline.ts'

describe('a view that is filled', () => {
  const setUp = async (logger: Logger = silent) => {
    const { log, topic, generation } = await testPipeline()
    const backend = new MemoryBackend(['a', 'b'])
    const real = backend.admin(generation)
    for (const shard of backend.shards) await real.open(shard)
    return { options: { log, topic, backend, logger }, backend, generation, real }
  }

  it('is looked at again where a shard was opened anew while it was being shown', async () => {
    const { options, backend, generation, real } = await setUp()
    const serving = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const admin: ViewAdmin = {
      open: (shard, how) => real.open(shard, how),
      markFilled: (shard, ends) => real.markFilled(shard, ends),
      stats: shard => real.stats(shard),
      scan: (shard, options) => real.scan(shard, options),
      look: (shard, ids) => real.look(shard, ids),
      drop: signal => real.drop(signal),
      serve: async () => {
        serving.resolve()
        await release.promise
        await real.serve()
      },
    }
    const filling = new Filling(options, admin, backend.reader(generation))
    filling.start()
    await serving.promise
    await real.open('b', { anew: true })
    filling.opened('b')
    release.resolve()
    await until(async () => expect(await backend.reader(generation).filled('b')).toBe(true))
    await filling.stop()
  })

  it('waits between two tries to show it, and complains once', async () => {
    const warnings: string[] = []
    const { options, real, backend, generation } = await setUp({ ...silent, warn: message => warnings.push(message) })
    let tries = 0
    const third = Promise.withResolvers<void>()
    const admin: ViewAdmin = {
      open: (shard, how) => real.open(shard, how),
      markFilled: (shard, ends) => real.markFilled(shard, ends),
      stats: shard => real.stats(shard),
      scan: (shard, options) => real.scan(shard, options),
      look: (shard, ids) => real.look(shard, ids),
      drop: signal => real.drop(signal),
      serve: async () => {
        if (++tries === 3) third.resolve()
        throw new LogfoldError('view-unavailable', 'locked')
      },
    }
    const filling = new Filling(options, admin, backend.reader(generation))
    const startedMs = performance.now()
    filling.start()
    await third.promise
    expect(performance.now() - startedMs).toBeGreaterThan(50)
    await filling.stop()
    expect(warnings).toHaveLength(1)
  })
})
