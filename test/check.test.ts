import { describe, expect, it, onTestFinished } from 'vitest'
import memory from '../backends/memory/index.ts'
import { checkServers } from '../src/check.ts'
import type { BackendConfig, ViewConfig } from '../src/config/config.ts'
import { COMMAND_FORMAT } from '../src/generations/command.ts'
import { Control, openControlTopic } from '../src/generations/control.ts'
import { generationOf, pinnedOf } from '../src/generations/definition.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Generation } from '../src/model/generation.ts'
import { LogFolder } from './support/embedded-log.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog } from './support/scripted-log.ts'
import { SharedBackend, sharedConfig } from './support/shared-backend.ts'
import { viewConfig } from './support/view-config.ts'

it('a backend that cannot be closed hides no result of the others', async () => {
  const backend = (name: string, close: () => Promise<void>): BackendConfig => ({
    name,
    kind: 'memory',
    config: { shards: ['main'] },
    module: {
      ...memory,
      connect: async () => ({ ...stub, close }),
    },
  })
  const backends = new Map([
    ['bad', backend('bad', () => Promise.reject(new Error('it is stuck')))],
    ['good', backend('good', () => Promise.resolve())],
  ])
  const results = await checkServers({ views: new Map(), backends, dataDir: '/nowhere', namespace: 'logfold' }, quiet, () =>
    Promise.reject(new LogfoldError('log-unavailable', 'away', { remedy: 'wait' })),
  )
  expect(results).toEqual([
    { name: 'log', ok: false, detail: 'away', remedy: 'wait', code: 'log-unavailable' },
    { name: 'backend bad/main', ok: true, detail: 'answers' },
    { name: 'backend bad', ok: false, detail: 'could not be closed: it is stuck' },
    { name: 'backend good/main', ok: true, detail: 'answers' },
  ])
})

const unasked = () => {
  throw new Error('nothing but ping is asked for')
}
const stub = {
  shards: ['main'],
  owner: () => 'main',
  reader: unasked,
  writer: unasked,
  admin: unasked,
  ping: async () => undefined,
  capacity: unasked,
}

const view: ViewConfig = { ...viewConfig, backend: 'ring' }

type Line = readonly [name: string, ok: boolean, code: string | undefined]

interface World {
  readonly log: ScriptedLog
  readonly control: Control
  /** Generations that were made of the view, each on these shards of a backend. */
  create(number: number, backend: string, shards: readonly string[]): Promise<Generation>
  check(backends: readonly BackendConfig[]): Promise<{ readonly lines: readonly Line[]; readonly details: readonly string[] }>
}

async function world(): Promise<World> {
  const log = new ScriptedLog()
  const topic = await log.topic({ ...view, name: 'job' })
  const unheard = (): void => undefined
  const control = new Control({ log, topic: await openControlTopic(log, 'logfold', 1), by: 'test', logger: quiet, changed: unheard, ended: unheard })
  onTestFinished(() => control.close())
  return {
    log,
    control,
    async create(number, backend, shards) {
      const pinned = pinnedOf({ ...view, backend, shards }, topic, log.logId)
      const sent = await control.send({ command: 'create', view: 'job', generation: number, pinned, until: 'ready' }, AbortSignal.timeout(5_000))
      if (sent.kind === 'refused') throw new Error(sent.reason)
      return generationOf('job', { number, createdAt: sent.offset, pinned }, control.topicId)
    },
    async check(backends) {
      const byName = new Map(backends.map(backend => [backend.name, backend]))
      const config = { views: new Map([['job', view]]), backends: byName, dataDir: '/nowhere', namespace: 'logfold' }
      const results = await checkServers(config, quiet, async () => log)
      return { lines: results.map(({ name, ok, code }) => [name, ok, code]), details: results.map(({ detail }) => detail) }
    },
  }
}

const [wellLog, wellTopic, wellControl]: readonly Line[] = [
  ['log', true, undefined],
  ['topic job', true, undefined],
  ['control topic', true, undefined],
]
const answers = (shard: string): Line => [`backend ${shard}`, true, undefined]

describe('a check of the generations that the commands tell of', () => {
  it('tells a shard that holds something else; of one that holds its generation, or nothing yet, it says nothing', async () => {
    const { create, check } = await world()
    const shards = ['a', 'b', 'c', 'd', 'e']
    const backend = new SharedBackend(shards)
    const generation = await create(1, 'ring', shards)
    const open = (shard: string, holding: Partial<Generation>): Promise<unknown> => backend.admin({ ...generation, ...holding }).open(shard)
    await open('a', {})
    await open('c', { definitionHash: 'other' })
    await open('d', { topicId: 'other', uid: 'job@1:other' })
    backend.faults('e').away = true
    const { lines } = await check([sharedConfig('ring', shards, () => backend)])
    expect(lines).toEqual([
      wellLog,
      wellTopic,
      wellControl,
      ...['a', 'b', 'c', 'd'].map(shard => answers(`ring/${shard}`)),
      ['backend ring/e', false, 'view-unavailable'],
      ['view job@1 on ring/c', false, 'foreign-store'],
      ['view job@1 on ring/d', false, 'foreign-store'],
    ])
  })

  it('connects each ring as it was when its generation was made, and says of which the config lacks a shard, or the backend', async () => {
    const { create, check } = await world()
    await create(1, 'ring', ['a', 'b'])
    await create(2, 'old', ['x'])
    const rings = new Map<string, SharedBackend>()
    const storeOf = (shards: readonly string[]): SharedBackend => {
      const ring = rings.get(shards.join()) ?? new SharedBackend(shards)
      rings.set(shards.join(), ring)
      return ring
    }
    const more = await check([sharedConfig('ring', ['a', 'b', 'c'], storeOf)])
    const ring = ['a', 'b', 'c'].map(shard => answers(`ring/${shard}`))
    expect(more.lines).toEqual([wellLog, wellTopic, wellControl, ...ring, ['view job@2', false, 'backend-unknown']])
    expect(more.details.at(-1)).toBe('It lives on the backend old, which the config lacks')
    expect([...rings.keys()]).toEqual(['a,b,c', 'a,b'])
    expect([...rings.values()].map(({ closed }) => closed)).toEqual([1, 1])
    const less = await check([sharedConfig('ring', ['a'], storeOf), sharedConfig('old', ['x'], storeOf)])
    expect(less.lines.filter(([, ok]) => !ok)).toEqual([['view job@1', false, 'backend-unknown']])
    expect(less.details).toContain('It lives on shard b of the backend ring, which the config lacks')
  })

  it('says that this version is too old for a command', async () => {
    const { log, control, create, check } = await world()
    await create(1, 'ring', ['a'])
    const { last } = control.state('job')
    const newer = JSON.stringify({ format: COMMAND_FORMAT + 1, view: 'job', after: last })
    log.topics.get('logfold.control')?.put(0, 'k', newer)
    const { lines } = await check([sharedConfig('ring', ['a'], () => new SharedBackend(['a']))])
    expect(lines).toEqual([wellLog, wellTopic, ['control topic', false, 'too-old'], answers('ring/a')])
  })

  it('says nothing of a log in which nothing was started yet, and makes nothing there', async () => {
    await using folder = await LogFolder.make()
    const config = { views: new Map([['job', view]]), backends: new Map(), dataDir: folder.folder, namespace: 'logfold' }
    const results = await checkServers(config, quiet, () => folder.open())
    expect(results.map(({ name, detail }) => [name, detail])).toEqual([
      ['log', expect.any(String)],
      ['topic job', 'is not there yet; logfold start makes it'],
    ])
    const log = await folder.open()
    await expect(log.topic({ ...view, name: 'logfold.control', create: false })).rejects.toMatchObject({ code: 'topic-missing' })
  })
})
