import { expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import memory from '../backends/memory/index.ts'
import { checkServers } from '../src/check.ts'
import type { BackendConfig, ViewConfig } from '../src/config/config.ts'
import { generationOf } from '../src/generations/definition.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Generation } from '../src/model/generation.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog } from './support/scripted-log.ts'

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
  const results = await checkServers({ views: new Map(), backends, dataDir: '/nowhere' }, quiet, () =>
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

it('a shard that holds something else is told, and what to do; one that holds the view, or nothing yet, is not', async () => {
  const log = new ScriptedLog()
  const backend = new MemoryBackend(['a', 'b', 'c', 'd', 'e'])
  const view: ViewConfig = {
    view: 'job',
    topic: 'job',
    partitions: 1,
    replication: 1,
    create: true,
    backend: 'ring',
    partitioner: 'murmur2',
    writable: true,
    format: 'json',
    ordered: false,
    whenBehind: 'refuse',
    jsonSchema: undefined,
    schema: undefined,
    projection: undefined,
    projectionScript: undefined,
  }
  const generation = generationOf({ ...view, shards: backend.shards }, await log.topic({ ...view, name: 'job' }), log.logId)
  const open = (shard: string, holding: Partial<Generation>): Promise<unknown> => backend.admin({ ...generation, ...holding }).open(shard)
  await open('a', {})
  await open('c', { definitionHash: 'other' })
  await open('d', { topicId: 'other', uid: 'job@1:other' })
  backend.faults('e').away = true
  const config: BackendConfig = {
    name: 'ring',
    kind: 'memory',
    config: { shards: backend.shards },
    module: { ...memory, connect: async () => backend },
  }
  const results = await checkServers(
    { views: new Map([['job', view]]), backends: new Map([['ring', config]]), dataDir: '/nowhere' },
    quiet,
    async () => log,
  )
  expect(results.map(({ name, ok, code }) => [name, ok, code])).toEqual([
    ['log', true, undefined],
    ['topic job', true, undefined],
    ['backend ring/a', true, undefined],
    ['backend ring/b', true, undefined],
    ['backend ring/c', true, undefined],
    ['view job on ring/c', false, 'definition-changed'],
    ['backend ring/d', true, undefined],
    ['view job on ring/d', false, 'foreign-store'],
    ['backend ring/e', false, 'view-unavailable'],
  ])
  expect(results[5]).toMatchObject({ detail: expect.stringContaining('another definition'), remedy: expect.stringContaining('another backend') })
})
