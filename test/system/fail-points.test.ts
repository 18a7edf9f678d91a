import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { type FailPoint, failPoints } from '../../src/model/fail-point.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import { startPostgres } from '../services/postgres.ts'
import { startRedis } from '../services/redis.ts'
import { quiet } from '../support/quiet.ts'
import { reshardPoints } from './reshard-points.ts'
import { entriesOf, Running, runLogfold, startLogfold, temporaryFolder } from './running.ts'

const PARTITIONS = 10
const partitionOf = (id: string): number => partitioners.murmur2(Buffer.from(id), PARTITIONS)
/** Each in a partition of its own, so that each gets a letter by itself, however the records of a partition come together. */
const POISONED = [
  ...Map.groupBy(
    Array.from({ length: 30 }, (_, nth) => `id-${nth}`),
    partitionOf,
  ).values(),
]
  .flatMap(([id]) => id ?? [])
  .slice(0, 4)

interface Store {
  readonly set: readonly string[]
  dispose(): Promise<void>
}

const stores: readonly (readonly [kind: 'sqlite' | 'redis' | 'postgres', start: () => Promise<Store>])[] = [
  ['sqlite', async () => ({ set: [], dispose: async () => undefined })],
  [
    'redis',
    async () => {
      const { servers, dispose } = await startRedis({ servers: 3 })
      return { set: servers.map(({ address }, nth) => `backends.ring3.shards.${'abc'[nth]}=redis://${address}`), dispose }
    },
  ],
  [
    'postgres',
    async () => {
      const { url, dispose } = await startPostgres()
      return { set: [`backends.pg.url=${url}`], dispose }
    },
  ],
]

/** In this order, as a shard is opened and filled but once. */
const pointsOf = (kind: string): readonly FailPoint[] => [
  'pipeline/opened',
  'pipeline/filled',
  'pipeline/letters-written',
  'pipeline/applied',
  ...failPoints.filter(point => point.startsWith(`${kind}/`) && !reshardPoints.has(point)),
]

it('every fail point is passed by one of these tests, or by those of reshard-fail-points', () => {
  const tried = new Set<string>(['api/appended', ...reshardPoints, ...stores.flatMap(([kind]) => pointsOf(kind))])
  expect(failPoints.filter(point => !tried.has(point))).toEqual([])
})

describe.each(stores)('a process that is killed at each step of its work, with %s,', (kind, startStore) => {
  const folder = temporaryFolder()
  const expected = new Map<string, string>()
  let store: Store
  let args: readonly string[]
  let letters = 0
  let rounds = 0

  beforeAll(async () => {
    store = await startStore()
    const config = join(folder.path, 'logfold.yaml')
    expect(await runLogfold(['init', kind, '-c', config])).toMatchObject({ exitCode: 0 })
    args = ['-c', config, ...store.set.flatMap(each => ['--set', each])]
    await write()
  })
  afterAll(async () => {
    await store?.dispose()
    folder.remove()
  })

  /** Something for each partition and shard to fold: new entries, changed ones, deleted ones, and a record that can't be folded. */
  async function write(): Promise<void> {
    rounds++
    const log = await openEmbeddedLog({ path: join(folder.path, 'log.sqlite'), logger: quiet })
    try {
      const topic = await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: true })
      const records = Array.from({ length: 200 }, (_, nth) => record(`id-${nth % 150}`, nth % 7 === 0 ? undefined : JSON.stringify({ rounds, nth })))
      const outcomes = await log.writer(topic).append([...records, ...POISONED.map(poison)], 10_000)
      expect(new Set(outcomes.map(outcome => outcome.kind))).toEqual(new Set(['appended']))
    } finally {
      await log.close()
    }
  }

  function record(id: string, value: string | undefined): { partition: number; key: Uint8Array; value: Uint8Array | null } {
    if (value === undefined) expected.delete(id)
    else expected.set(id, value)
    return { ...placed(id), value: value === undefined ? null : Buffer.from(value) }
  }

  function poison(id: string): { partition: number; key: Uint8Array; value: Uint8Array } {
    letters++
    return { ...placed(id), value: Buffer.from('{') }
  }

  const placed = (id: string): { partition: number; key: Uint8Array } => ({
    partition: partitionOf(id),
    key: Buffer.from(id),
  })

  /** Settles with how the process ended. */
  async function startWith(point: string): Promise<{ readonly signal: NodeJS.Signals | null; readonly said: string }> {
    const running = new Running({ dataDir: folder.path, args, env: { LOGFOLD_FAIL_POINT: point } })
    const late = setTimeout(() => running.signal('SIGTERM'), 60_000)
    const { signal } = await running.ended
    clearTimeout(late)
    return { signal, said: running.stderr }
  }

  it.each(
    pointsOf(kind).flatMap(point => (point.startsWith('pipeline/filled') || point.startsWith('pipeline/opened') ? [point] : [point, `${point}:3`])),
  )('at %s', async point => {
    if (!/opened|filled/.test(point)) await write()
    expect(await startWith(point)).toMatchObject({ signal: 'SIGKILL' })
  })

  it('has lost nothing, brought nothing back, and has one letter for each record that could not be folded', async () => {
    const running = await startLogfold({ dataDir: folder.path, args })
    try {
      await expect.poll(async () => [...(await entriesOf(running.url, 'job'))].toSorted(), { timeout: 30_000 }).toEqual([...expected].toSorted())
      const page: unknown = await (await fetch(`${running.adminUrl}/admin/views/job/deadletters?limit=100`)).json()
      expect(page).toMatchObject({ total: letters, complete: true, items: Array.from({ length: letters }, () => ({ reason: 'value-not-json' })) })
    } finally {
      await running.end('SIGTERM')
    }
  })
})

describe('an API that is killed between the log’s answer and its own,', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  it('leaves a client without an answer, and the write in the log and in the view', async () => {
    const killed = await startLogfold({ dataDir: folder.path, env: { LOGFOLD_FAIL_POINT: 'api/appended:2' } })
    const put = (id: string): Promise<Response> =>
      fetch(`${killed.url}/api/job/${id}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '1' })
    expect([200, 202]).toContain((await put('one')).status)
    await expect(put('two')).rejects.toThrow()
    expect(await killed.ended).toMatchObject({ signal: 'SIGKILL' })
    const running = await startLogfold({ dataDir: folder.path })
    await expect.poll(async () => Object.fromEntries(await entriesOf(running.url, 'job'))).toEqual({ one: '1', two: '1' })
    await running.end('SIGTERM')
  })
})
