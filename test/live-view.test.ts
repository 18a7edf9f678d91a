import { afterEach, describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import type { Connected } from '../src/generations/connected.ts'
import { Coordination } from '../src/generations/coordination.ts'
import type { LiveGeneration } from '../src/generations/live-generation.ts'
import { LiveView } from '../src/generations/live-view.ts'
import { LogfoldError } from '../src/model/errors.ts'
import { DeadLetters } from '../src/pipeline/dead-letters.ts'
import type { ViewPipeline } from '../src/pipeline/view-pipeline.ts'
import { testPipeline, until } from './support/pipeline.ts'
import { standing } from './support/presences.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog } from './support/scripted-log.ts'

const ending: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

interface World {
  readonly backend: MemoryBackend
  /** What the views that serve have met. */
  readonly bugs: readonly unknown[]
  put(id: string, value: string): void
  /** Another process that serves the view. */
  serve(whenBehind?: 'refuse' | 'serve'): LiveView<DeadLetters>
  /** A worker that folds it. */
  fold(): Promise<ViewPipeline>
  /** Settles once every shard is. */
  filled(): Promise<void>
}

async function world(): Promise<World> {
  const log = new ScriptedLog()
  const backend = new MemoryBackend(['a', 'b'])
  const topic = await log.topic({ name: 'job', partitions: 1, replication: 1, create: true })
  const bugs: unknown[] = []
  const serve = (whenBehind: 'refuse' | 'serve' = 'refuse'): LiveView<DeadLetters> => {
    const shared = { namespace: 'logfold', log, logger: quiet, failed: (error: unknown) => bugs.push(error) }
    const coordination = new Coordination({ ...shared, replication: 1, by: 'test', describe: () => standing })
    const view = new LiveView<DeadLetters>({
      ...shared,
      coordination,
      definition: {
        view: 'job',
        topic: 'job',
        partitions: 1,
        replication: 1,
        create: true,
        backend: 'memory',
        shards: ['a', 'b'],
        partitioner: 'murmur2',
        writable: true,
        format: 'json',
        ordered: false,
        jsonSchema: undefined,
      },
      compileSchema: () => () => [],
      whenBehind,
      openStore: async () => ({ backend, close: async () => undefined }),
      openDeadLetters: (at, letters, of) => new DeadLetters(at, letters, of, quiet),
    })
    ending.push(
      () => coordination.close(),
      () => view.close(),
    )
    return view
  }
  const fold = async (): Promise<ViewPipeline> => {
    const { generation } = await connected(serve())
    const { pipeline, stop } = await testPipeline({ log, backend, generation })
    ending.push(stop)
    await pipeline.start()
    return pipeline
  }
  const filled = async (): Promise<void> => {
    const { generation } = await connected(serve())
    for (const shard of backend.shards) await until(async () => expect(await backend.reader(generation).filled(shard)).toBe(true))
  }
  const put = (id: string, value: string): void => {
    topic.put(0, id, value)
    log.wake()
  }
  return { backend, bugs, put, serve, fold, filled }
}

async function first(view: LiveView<DeadLetters>): Promise<LiveGeneration<DeadLetters>> {
  await view.known()
  const live = view.generation(1)
  if (live === undefined) throw new Error('It is known')
  return live
}

const connected = async (view: LiveView<DeadLetters>): Promise<Connected<DeadLetters>> => await (await first(view)).connected()

const kinds = (view: LiveView<DeadLetters>): Record<string, string> =>
  Object.fromEntries([...view.health()].map(([shard, { kind }]) => [shard, kind]))

const code = (ask: () => unknown): string => {
  try {
    ask()
    return 'none'
  } catch (error) {
    return error instanceof LogfoldError ? error.code : String(error)
  }
}

describe('a view over several shards', () => {
  it('serves what stands on the others while one of them is away, also to a process that starts then', async () => {
    const { backend, put, serve, fold, filled } = await world()
    put('one', '1')
    await fold()
    await filled()
    backend.faults('a').away = true
    const view = serve()
    await until(() => expect(kinds(view)).toEqual({ a: 'away', b: 'up' }))
    expect(view.unready()).toBe(undefined)
    expect(view.serving().generation.number).toBe(1)
    backend.faults('b').away = true
    await until(() => expect(kinds(view)).toEqual({ a: 'away', b: 'away' }))
    expect(code(() => view.serving())).toBe('view-unavailable')
  })

  it('goes on serving from the others while one that was emptied is folded again, and says how far that is', async () => {
    const { backend, put, serve, fold } = await world()
    for (let at = 0; at < 20; at++) put(`id-${at}`, '1')
    const pipeline = await fold()
    const view = serve()
    await until(() => expect(kinds(view)).toEqual({ a: 'up', b: 'up' }))
    await pipeline.stop()
    backend.faults('a').lose()
    await until(() => expect(kinds(view)).toEqual({ a: 'away', b: 'up' }))
    const { generation } = await connected(view)
    await backend.admin(generation).open('a')
    await until(() => expect(view.health().get('a')).toEqual({ kind: 'folding', progress: { done: 0, total: 20 } }))
    expect(code(() => view.serving())).toBe('none')
    const told = view.serving().doubt(new LogfoldError('view-folding', 'not filled yet'))
    expect(told.message).toBe('The view job is being folded: shard a, 0 of 20 offsets (0 %) so far')
  })
})

describe('what the code of a store throws', () => {
  it('is a bug, and no absence of the store, unless it is an answer', async () => {
    const { backend, bugs, serve } = await world()
    const thrown: Record<string, unknown> = { a: new LogfoldError('view-unavailable', 'away') }
    const makeReader = backend.reader.bind(backend)
    backend.reader = generation => {
      const reader = makeReader(generation)
      reader.filled = async shard => Promise.reject(thrown[shard])
      return reader
    }
    thrown.b = thrown.a
    const view = serve()
    await until(() => expect(kinds(view)).toEqual({ a: 'away', b: 'away' }))
    expect(bugs).toEqual([])
    thrown.b = new TypeError('odd')
    await until(() => expect(bugs).toEqual([thrown.b]))
  })
})

describe('a shard that comes back with an older state', () => {
  it('is found by the processes that serve, and refused or said to be stale until it has caught up', async () => {
    const { backend, put, serve, fold, filled } = await world()
    put('one', '1')
    const pipeline = await fold()
    await filled()
    const [refusing, serving] = [serve('refuse'), serve('serve')]
    const restore = backend.faults('a').backUp()
    put('one', '2')
    put('two', '2')
    await until(() => expect(kinds(serving)).toEqual({ a: 'up', b: 'up' }))
    const { generation } = await connected(serving)
    await until(async () => expect(await backend.reader(generation).vouched('a')).toEqual([3]))
    // Each has seen it.
    const seen = async (view: LiveView<DeadLetters>): Promise<void> => {
      const before = view.health().get('a')
      await until(() => expect(view.health().get('a')).not.toBe(before))
    }
    await Promise.all([seen(refusing), seen(serving)])
    await pipeline.stop()
    restore()
    for (const view of [refusing, serving]) await until(() => expect(kinds(view)).toEqual({ a: 'behind', b: 'up' }))
    expect(refusing.health().get('a')).toMatchObject({ progress: { total: 3 } })
    expect([code(() => refusing.serving().assess(['a', 'b'])), code(() => refusing.serving().assess(['b']))]).toEqual(['view-behind', 'none'])
    expect([serving.serving().assess(['a', 'b']), serving.serving().assess(['b'])]).toEqual(['stale', 'current'])
    await fold()
    for (const view of [refusing, serving]) await until(() => expect(kinds(view)).toEqual({ a: 'up', b: 'up' }))
    expect([refusing.serving().assess(['a']), serving.serving().assess(['a'])]).toEqual(['current', 'current'])
  })

  it('is found where it lost but what was vouched for to a client since the last look', async () => {
    const { backend, put, serve, fold, filled } = await world()
    put('one', '1')
    const pipeline = await fold()
    await filled()
    const view = serve()
    await until(() => expect(kinds(view)).toEqual({ a: 'up', b: 'up' }))
    const restore = backend.faults('a').backUp()
    view.serving().saw('a', [2])
    await pipeline.stop()
    restore()
    await until(() => expect(kinds(view)).toEqual({ a: 'behind', b: 'up' }))
  })

  it('is folded on by its worker, though no record comes', async () => {
    const { backend, put, fold, serve, filled } = await world()
    await fold()
    await filled()
    const restore = backend.faults('a').backUp()
    for (let at = 0; at < 20; at++) put(`id-${at}`, '1')
    const { generation } = await connected(serve())
    const vouched = async (): Promise<unknown> => (await backend.reader(generation).vouched('a'))[0]
    await until(async () => expect(await vouched()).toBe(20))
    restore()
    expect(await vouched()).not.toBe(20)
    await until(async () => expect(await vouched()).toBe(20))
  })

  it('is marked as filled again where the older state is from before it was', async () => {
    const { backend, put, fold, serve } = await world()
    put('one', '1')
    const { generation } = await connected(serve())
    for (const shard of backend.shards) await backend.admin(generation).open(shard)
    const restore = backend.faults('a').backUp()
    await fold()
    const filled = async (): Promise<boolean> => await backend.reader(generation).filled('a')
    await until(async () => expect(await filled()).toBe(true))
    restore()
    expect(await filled()).toBe(false)
    await until(async () => expect(await filled()).toBe(true))
  })
})
