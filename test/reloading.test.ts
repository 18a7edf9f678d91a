import { describe, expect, it } from 'vitest'
import type { Config, ViewConfig } from '../src/config/config.ts'
import { Reloading } from '../src/reloading.ts'
import { TestLogger } from './support/api-world.ts'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { viewConfig } from './support/view-config.ts'

type Ring = Readonly<Record<string, string>>

/** As the file has it: rings by name, each with its shards and their addresses. */
function configOf(world: HostedWorld, rings: Readonly<Record<string, Ring>>, views: readonly ViewConfig[], more: Partial<Config> = {}): Config {
  const shards = Object.fromEntries(Object.entries(rings).map(([name, ring]) => [name, Object.keys(ring)]))
  const backends = new Map([...world.backendsOf(shards)].map(([name, backend]) => [name, { ...backend, config: { shards: rings[name] } }]))
  return {
    file: '/etc/logfold.yaml',
    dataDir: '/data',
    namespace: 'logfold',
    log: { kind: 'embedded', path: '/data/log.sqlite' },
    backends,
    views: new Map(views.map(view => [view.view, view])),
    http: { host: '127.0.0.1', port: 8080, static: undefined, cors: [], bodyBytesMax: 1, anonymous: ['read'], tokens: {} },
    admin: { host: '127.0.0.1', port: 9080, tokens: {} },
    logging: { level: 'info', format: 'auto' },
    notes: [],
    printable: {},
    ...more,
  }
}

const ring2: Ring = { a: 'redis://a', b: 'redis://b' }

interface Reloaded {
  readonly process: HostedProcess
  readonly reloading: Reloading
  readonly hosted: string[]
  readonly logger: TestLogger
  /** What the file says from now on. */
  now: Config | Error
}

async function reloadable(world: HostedWorld): Promise<Reloaded> {
  const process = await world.process({ backends: { ring2: ['a', 'b'] } })
  await until(() => expect(process.hosted.live.unready()).toBe(undefined))
  const config = configOf(world, { ring2 }, [viewConfig])
  const hosted: string[] = []
  const logger = new TestLogger()
  const readAgain = async (): Promise<Config> => {
    if (test.now instanceof Error) throw test.now
    return test.now
  }
  const { stores } = process
  const views = new Map([['job', process.hosted]])
  const host = ({ view }: ViewConfig): unknown => hosted.push(view)
  const test: Reloaded = {
    process,
    hosted,
    logger,
    now: config,
    reloading: new Reloading({ config, readAgain, stores, views, host, reloaded: () => undefined, logger }),
  }
  return test
}

describe('a reload', () => {
  it('takes backends, shards and views that were added, and changed definitions, by which nothing is served yet', async () => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    expect(await test.reloading.reload()).toEqual({ addedViews: [], addedBackends: [], changedViews: [], next_steps: [] })
    const company: ViewConfig = { ...viewConfig, view: 'company', topic: 'company' }
    test.now = configOf(world, { ring2: { ...ring2, x: 'redis://x' }, ring3: { c: 'redis://c' } }, [{ ...viewConfig, ordered: true }, company])
    expect(await test.reloading.reload()).toEqual({
      addedViews: ['company'],
      addedBackends: ['ring3'],
      changedViews: ['job'],
      next_steps: [expect.stringContaining('logfold status job')],
    })
    expect(test.hosted).toEqual(['company'])
    const { stores, hosted, live } = test.process
    expect(stores.shards()).toEqual({ ring2: ['a', 'b', 'x'], ring3: ['c'] })
    expect(hosted.live.configured).toMatchObject({ ordered: true, shards: ['a', 'b', 'x'] })
    expect(hosted.live.definition).toMatchObject({ ordered: false, shards: ['a', 'b'] })
    expect([hosted.live.unready(), live(1).backend]).toEqual([undefined, world.store('ring2')])
    const next = await test.process.stores.open('ring3', ['c'])
    await next.close()
    // What it was taken for is what the next one is compared with.
    expect((await test.reloading.reload()).changedViews).toEqual([])
  })

  it('of an added shard alone tells the views that live there', async () => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    test.now = configOf(world, { ring2: { ...ring2, x: 'redis://x' } }, [viewConfig])
    expect(await test.reloading.reload()).toMatchObject({ addedBackends: [], changedViews: ['job'] })
  })

  it('refuses what needs a restart, all of it at once, and takes nothing then', async () => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    const http = { host: '127.0.0.1', port: 1, static: undefined, cors: [], bodyBytesMax: 1, anonymous: [], tokens: {} }
    const job: ViewConfig = { ...viewConfig, writable: false, whenBehind: 'serve', ordered: true }
    const company: ViewConfig = { ...viewConfig, view: 'company' }
    test.now = configOf(world, { ring2: { a: 'redis://elsewhere', b: 'redis://b' }, ring3: { c: 'redis://c' } }, [job, company], {
      http,
      namespace: 'n',
    })
    await expect(test.reloading.reload()).rejects.toMatchObject({
      code: 'reload-refused',
      errors: ['namespace', 'http', 'backends.ring2', 'views.job.writable', 'views.job.whenBehind'].map(pointer =>
        expect.objectContaining({ pointer }),
      ),
    })
    expect([test.hosted, test.process.stores.shards(), test.process.hosted.live.configured.ordered]).toEqual([[], { ring2: ['a', 'b'] }, false])
    test.now = configOf(world, { ring3: { c: 'redis://c' } }, [])
    await expect(test.reloading.reload()).rejects.toMatchObject({
      errors: [
        { pointer: 'backends.ring2', detail: 'was taken away' },
        { pointer: 'views.job', detail: 'was taken away' },
      ],
    })
  })

  it.each(['shard', 'kind'])('refuses a backend whose %s is another', async what => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    const config = configOf(world, { ring2: what === 'shard' ? { a: 'redis://a' } : ring2 }, [viewConfig])
    const [[name, backend] = []] = config.backends
    if (name === undefined || backend === undefined) throw new Error('It is there')
    test.now = { ...config, backends: new Map([[name, { ...backend, kind: what === 'kind' ? './own.ts' : backend.kind }]]) }
    await expect(test.reloading.reload()).rejects.toMatchObject({ errors: [{ pointer: 'backends.ring2' }] })
  })

  it('comes after one that is under way', async () => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    test.now = configOf(world, { ring2, ring3: { c: 'redis://c' } }, [viewConfig])
    const [one, other] = await Promise.all([test.reloading.reload(), test.reloading.reload()])
    expect([one?.addedBackends, other?.addedBackends]).toEqual([['ring3'], []])
  })

  it('of a file that is broken changes nothing; the next is taken', async () => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    const good = test.now
    test.now = new Error('It is not YAML')
    const [broken, next] = [test.reloading.reload(), test.reloading.reload()]
    await expect(broken).rejects.toThrow('It is not YAML')
    await expect(next).rejects.toThrow('It is not YAML')
    test.now = good
    expect(await test.reloading.reload()).toMatchObject({ changedViews: [] })
  })

  it('comes with SIGHUP, too, until that is over', async () => {
    await using world = await HostedWorld.make()
    const test = await reloadable(world)
    const before = process.listenerCount('SIGHUP')
    const off = test.reloading.onSignal()
    try {
      test.now = configOf(world, { ring2, ring3: { c: 'redis://c' } }, [viewConfig])
      process.emit('SIGHUP')
      await until(() => expect(test.logger.lines).toEqual([expect.objectContaining({ level: 'info', message: 'The config was read again' })]))
      test.now = configOf(world, {}, [])
      process.emit('SIGHUP')
      await until(() => expect(test.logger.lines.at(-1)).toMatchObject({ level: 'error', message: 'The config was not taken' }))
    } finally {
      await off()
    }
    expect(process.listenerCount('SIGHUP')).toBe(before)
  })
})
