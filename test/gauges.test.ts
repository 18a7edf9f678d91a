import { afterEach, describe, expect, it, vi } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { watchGauges } from '../src/gauges.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { fill, type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('looks at the stores do not queue behind one that hangs', async () => {
  vi.useFakeTimers()
  const backend = new MemoryBackend(['a'])
  const answer = Promise.withResolvers<undefined>()
  const ping = vi.spyOn(backend, 'ping').mockReturnValue(answer.promise)
  const end = watchGauges({ metrics: new Metrics('0.0.0'), stores: { all: () => [{ name: 'ring', backend }] }, views: new Map() })
  await vi.advanceTimersByTimeAsync(10 * 60_000)
  const ended = end()
  answer.resolve(undefined)
  await ended
  expect(ping).toHaveBeenCalledTimes(1)
})

type Series = Readonly<Record<string, number>>

/** What a gauge says, by its labels in their order. */
async function said(metrics: Metrics, name: string): Promise<Series> {
  const found = await metrics.registry.getSingleMetric(`logfold_${name}`)?.get()
  return Object.fromEntries((found?.values ?? []).map(({ labels, value }) => [Object.values(labels).join('/'), value]))
}

/** A look at the stores each time, as after 15 s. */
async function looked({ metrics, stores, hosted }: HostedProcess): Promise<void> {
  await watchGauges({ metrics, stores, views: new Map([['job', hosted.live]]) })()
}

/** The stores say what their entries take. */
function weighed(world: HostedWorld, backend: string, bytes: number | undefined): void {
  const store = world.store(backend)
  const admin = store.admin.bind(store)
  store.admin = generation => {
    const made = admin(generation)
    const stats = made.stats.bind(made)
    made.stats = async shard => ({ ...(await stats(shard)), bytes }) as Awaited<ReturnType<typeof stats>>
    return made
  }
}

describe('gauges of generations', () => {
  it('say what each is, and how it is built; what is gone has none', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1', two: '2', three: '3', four: '4' })
    const process = await world.process({ role: 'api' })
    const { metrics, stores, hosted } = process
    const end = watchGauges({ metrics, stores, views: new Map([['job', hosted.live]]) })
    const is = (name: string, series: Series): Promise<void> => until(async () => expect(await said(metrics, name)).toEqual(series))
    try {
      await fill(process.live(1), 4)
      await process.create(2, 'ring3')
      await fill(process.live(2), 1)
      await is('generation_role', { 'job/1/serving': 1, 'job/2/next': 1 })
      await is('shard_serves', { 'job/a': 1, 'job/b': 1 })
      await until(() => expect(process.live(2).vouched()).toEqual([1]))
      await fill(process.live(2), 4)
      await until(() => expect(process.live(2).perSecond()).toBeGreaterThan(0))
      await until(async () => expect((await said(metrics, 'build_records_per_second'))['job/2']).toBeGreaterThan(0))
      await looked(process)
      await is('build_eta_seconds', { 'job/2': 0 })
      await process.send({ command: 'verified', view: 'job', generation: 2, openings: {}, differences: 0, unresolved: 0 })
      await is('verify_differences', { 'job/2': 0 })
      await process.send({ command: 'switch', view: 'job', generation: 2 })
      await is('generation_role', { 'job/1/previous': 1, 'job/2/serving': 1 })
      await is('build_records_per_second', {})
      await is('build_eta_seconds', {})
      await is('shard_serves', { 'job/c': 1, 'job/d': 1, 'job/e': 1 })
      await is('serving_generation', { job: 2 })
      await process.send({ command: 'reverse', view: 'job', generation: 1 })
      await process.send({ command: 'cancel', view: 'job', generation: 2 })
      await is('generation_role', { 'job/1/serving': 1, 'job/2/leaving': 1 })
      await process.send({ command: 'dropped', view: 'job', generation: 2, left: [] })
      await is('generation_role', { 'job/1/serving': 1 })
      await is('verify_differences', {})
    } finally {
      await end()
    }
  })

  it('of shards are those of connected stores, with what all generations there take; unknown where one is', async () => {
    await using world = await HostedWorld.make({ ring2: ['a', 'b'], ring1: ['f'] })
    weighed(world, 'ring2', 100)
    weighed(world, 'ring1', undefined)
    const process = await world.process({ role: 'api' })
    const { metrics, stores, hosted } = process
    await fill(process.live(1), 0)
    for (const [number, backend] of [
      [2, 'ring1'],
      [3, 'ring2'],
    ] as const) {
      await fill(await process.create(number, backend), 0)
      if (number === 2) await process.send({ command: 'cancel', view: 'job', generation: 2 })
    }
    const end = watchGauges({ metrics, stores, views: new Map([['job', hosted.live]]) })
    await end()
    expect(await said(metrics, 'shard_up')).toEqual({ 'ring2/a': 1, 'ring2/b': 1, 'ring1/f': 1 })
    expect(await said(metrics, 'shard_bytes')).toEqual({ 'ring2/a': 200, 'ring2/b': 200 })
    expect(await said(metrics, 'shard_entries')).toEqual({ 'ring2/a': 0, 'ring2/b': 0, 'ring1/f': 0 })
  })

  it('of shards go with the store that nobody has any more', async () => {
    vi.useFakeTimers()
    const metrics = new Metrics('0.0.0')
    const [one, other] = [new MemoryBackend(['a', 'b']), new MemoryBackend(['c'])]
    const rings = [
      { name: 'one', backend: one },
      { name: 'other', backend: other },
    ]
    const end = watchGauges({ metrics, stores: { all: () => rings }, views: new Map() })
    await vi.advanceTimersByTimeAsync(0)
    expect(await said(metrics, 'shard_up')).toEqual({ 'one/a': 1, 'one/b': 1, 'other/c': 1 })
    rings.shift()
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await said(metrics, 'shard_up')).toEqual({ 'other/c': 1 })
    expect(await said(metrics, 'shard_entries')).toEqual({ 'other/c': 0 })
    await end()
  })
})
