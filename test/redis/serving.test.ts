import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { type RedisServers, startRedis } from '../services/redis.ts'
import { folded, type TestPipeline, testPipeline } from '../support/pipeline.ts'
import { command } from '../support/redis-command.ts'
import { configOf, connect } from './world.ts'

/** For people: which generation serves, on each shard. */
describe('the key job/serving', () => {
  let servers: RedisServers
  let backend: ViewBackend
  let first: TestPipeline
  let worker: TestPipeline
  beforeEach(async () => {
    servers = await startRedis({ servers: 2 })
    const [a = '', b = ''] = servers.servers.map(({ address }) => address)
    backend = await connect(configOf({ a, b }))
    first = await testPipeline({ backend })
    first.topic.put(0, 'one', '1')
    await first.pipeline.start()
    await folded(first, { one: '1' })
    await expectKeys()
    await first.stop()
    for (const nth of [0, 1]) await ask(nth, 'DEL', 'job/serving')
  })
  afterEach(async () => {
    await worker.stop()
    await backend.close()
    await servers.dispose()
  })

  const ask = (nth: number, name: string, ...args: readonly string[]): Promise<unknown> => command(servers.servers[nth]?.address ?? '', name, ...args)
  const expectKeys = async (): Promise<void> => {
    await expect.poll(() => Promise.all([0, 1].map(nth => ask(nth, 'GET', 'job/serving').catch(String)))).toEqual(['job@1', 'job@1'])
  }
  /** Settles once it has shown the view, and has nothing left to do but look. */
  const startWorker = async (): Promise<void> => {
    worker = await testPipeline({ log: first.log, backend })
    await worker.pipeline.start()
    await expectKeys()
  }

  it('is there again on a shard that came back from a snapshot without it', async () => {
    await ask(0, 'SAVE')
    await startWorker()
    await servers.servers[0]?.kill()
    await servers.servers[0]?.start()
    await expectKeys()
    expect(worker.stopped).toEqual([])
  })

  it('is there again where somebody deleted it', async () => {
    await startWorker()
    await ask(1, 'DEL', 'job/serving')
    await expectKeys()
  })

  it('stays where it is somebody’s own', async () => {
    await startWorker()
    const admin = backend.admin(worker.generation)
    await ask(0, 'SET', 'job/serving', 'not ours')
    expect(await admin.marks('a')).toEqual({ filled: true, shown: true })
  })
})
