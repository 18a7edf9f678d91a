import { describe, expect, it } from 'vitest'
import { pinnedOf, type ViewDefinition } from '../src/generations/definition.ts'
import type { GenerationStatus } from '../src/model/view-status.ts'
import { difference, differs } from '../src/reshard/differs.ts'
import { nextStepsOf } from '../src/reshard/next-steps.ts'
import { generationStatuses } from '../src/reshard/status.ts'
import { HostedWorld, topicMadeAgain } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { filled, served, verified } from './support/reshard-steps.ts'
import { ReshardWorld, type TestProcess } from './support/reshard-world.ts'

const statuses = ({ view, coordination }: Pick<TestProcess, 'view' | 'coordination'>): Promise<readonly GenerationStatus[]> =>
  generationStatuses(view, { living: () => coordination.living(), pipeline: () => undefined, heldUp: () => undefined, verify: () => undefined })

describe('the status of each generation', () => {
  it('tells its phase, how far it is, its shards, and who reads it', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world, { one: '1', two: '2', three: '3' })
    await until(async () => expect((await statuses(process)).map(({ readers }) => readers?.length)).toEqual([1, 0]))
    const [first, second] = await statuses(process)
    expect(first).toEqual({
      number: 1,
      phase: 'serving',
      backend: 'ring2',
      until: 'serving',
      paused: false,
      why: null,
      rate: null,
      progress: { done: 3, total: 3, perSecond: expect.any(Number), etaSeconds: 0, partitions: expect.any(Array) },
      lagRecords: 0,
      deletesKeptMs: null,
      shards: [
        { shard: 'a', state: 'up', entries: expect.any(Number), bytes: null, detail: null },
        { shard: 'b', state: 'up', entries: expect.any(Number), bytes: null, detail: null },
      ],
      workers: 1,
      readers: [expect.stringMatching(/^here\/\d+$/)],
      verification: null,
      verify: null,
      problem: null,
    })
    expect(first?.shards.reduce((sum, { entries }) => sum + (entries ?? 0), 0)).toBe(3)
    expect(second).toMatchObject({ number: 2, phase: 'building', until: 'verified', verification: null, lagRecords: 0, readers: [] })
    await process.ask('pause')
    await verified(process, 2)
    expect((await statuses(process))[1]).toMatchObject({
      phase: 'verified',
      paused: true,
      why: 'An operator paused it',
      verification: { differences: 0, unresolved: 0, void: false },
    })
    world.store('ring3').faults('c').lose()
    await until(async () => expect((await statuses(process))[1]).toMatchObject({ phase: 'building', verification: { void: true } }))
    await process.canRead(2)
    await verified(process, 2)
    await process.ask('switch')
    await until(async () =>
      expect(await statuses(process)).toMatchObject([
        { phase: 'previous', until: null, readers: [] },
        { phase: 'serving', until: 'serving', readers: [expect.any(String)] },
      ]),
    )
    await process.ask('complete')
    expect(await statuses(process)).toMatchObject([{ phase: 'leaving', until: null }, { phase: 'serving' }])
  })

  it('comes in time where a shard hangs, and says that it is waited for', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    const hold = world.store('ring2').faults('b').hold()
    const askedMs = performance.now()
    const [only] = await statuses(process)
    expect(performance.now() - askedMs).toBeLessThan(4_000)
    expect(only).toMatchObject({
      progress: null,
      lagRecords: null,
      shards: [
        { shard: 'a', state: 'up' },
        { shard: 'b', state: 'waiting', entries: null, detail: 'It does not answer' },
      ],
    })
    hold.release()
  })

  it('names every shard that it was made for, also where the config lacks one; and the problem', async () => {
    await using world = await ReshardWorld.make()
    await filled(world)
    const poor = await world.process({ backends: { ring2: ['a', 'b'] } })
    const [, second] = await statuses(poor)
    expect(second).toMatchObject({ problem: { code: 'backend-unknown' }, progress: null, shards: [{ shard: 'a', state: 'unknown' }, {}, {}] })
  })

  it('tells neither lag nor progress where the topic was made again: where the other one ends says nothing of it', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const before = await world.process()
    await until(() => expect(before.live(1).unreadable()).toBe(undefined))
    const other = await world.log.topic({ name: 'other', partitions: 1, replication: 1, create: true })
    const after = await world.process({ role: 'api', through: topicMadeAgain(other) })
    await until(() => expect(after.live(1).unreadable()).toBe(undefined))
    const [only] = await statuses({ view: after.hosted.live, coordination: after.coordination })
    expect(only).toMatchObject({ lagRecords: null, progress: null, problem: { code: 'view-stopped', detail: expect.stringContaining('made again') } })
  })

  it('knows of a shard of one that leaves that nothing is there any more', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    await process.ask('create', { to: 'ring3' })
    await process.ask('cancel')
    await until(async () => expect((await statuses(process))[1]?.shards.map(({ state }) => state)).toEqual(['gone', 'gone', 'gone']))
    world.store('ring3').faults('b').away = true
    await until(async () => expect((await statuses(process))[1]?.shards.map(({ state }) => state)).toEqual(['gone', 'waiting', 'gone']))
    const steps = nextStepsOf('job', await statuses(process), null)
    expect(steps).toEqual([
      'job@2 waits for b of the backend ring3: bring them back, or, if they never come, leave what is there with logfold reshard complete job --force left',
    ])
  })
})

describe('how the config differs from what serves', () => {
  const config: ViewDefinition = {
    view: 'job',
    topic: 'job',
    partitions: 2,
    replication: 1,
    create: false,
    backend: 'ring2',
    shards: ['a', 'b'],
    partitioner: 'murmur2',
    writable: true,
    format: 'json',
    ordered: false,
    jsonSchema: { type: 'object', required: ['a'] },
  }
  const topic = { name: 'job', id: 't', partitions: 2, recordBytesMax: 1 }
  const pinned = pinnedOf(config, topic, 'log')
  const told = (changed: Partial<ViewDefinition>): unknown => difference('job', { ...config, ...changed }, pinned)

  it('is nothing where no copy would be another one', () => {
    expect(told({ writable: false, replication: 3, create: true, partitioner: 'any' })).toBe(null)
    expect(told({ shards: ['b', 'a'], jsonSchema: { required: ['a'], type: 'object' } })).toBe(null)
  })

  it('is said member by member, with the command that makes it so', () => {
    expect(told({ backend: 'ring3', shards: ['a', 'b', 'c'] })).toEqual({
      detail: 'The config has backend ring3, and what serves ring2',
      command: 'logfold reshard create job --to ring3',
    })
    expect(told({ shards: ['a', 'c'], ordered: true })).toEqual({
      detail: 'The config has the backend ring2, which has c beside what serves and lacks b; ordered true, and what serves false',
      command: 'logfold reshard create job --to ring2',
    })
    expect(told({ format: 'text', jsonSchema: undefined, projection: 'p' })).toEqual({
      detail:
        'The config has format text, and what serves json; no more JSON Schema, and what serves was made by one; the projection of the view, and what serves was made without',
      command: 'logfold rebuild job',
    })
    expect(told({ jsonSchema: {} })).toEqual({
      detail: 'The config has the JSON Schema changed since what serves was made',
      command: 'logfold rebuild job',
    })
  })

  it('is told by the process that has that config', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    expect(differs(process.view)).toBe(null)
    const other = await world.process({ config: { ordered: true } })
    expect(differs(other.view)).toMatchObject({ command: 'logfold rebuild job' })
  })
})

describe('the next steps', () => {
  const base: GenerationStatus = {
    number: 1,
    phase: 'serving',
    backend: 'ring2',
    until: 'serving',
    paused: false,
    why: null,
    rate: null,
    progress: null,
    lagRecords: 0,
    deletesKeptMs: null,
    shards: [{ shard: 'a', state: 'up', entries: 1, bytes: null, detail: null }],
    workers: 1,
    readers: ['here/1'],
    verification: null,
    verify: null,
    problem: null,
  }
  const next: GenerationStatus = { ...base, number: 2, phase: 'building', until: 'verified', readers: [] }
  const clean = { differences: 0, unresolved: 0, void: false }
  const steps = (...beside: readonly GenerationStatus[]): readonly string[] => nextStepsOf('job', [base, ...beside], null)

  it('name the command of each phase', () => {
    expect(steps()).toEqual([])
    expect(steps(next)).toEqual(['job@2 is being built: watch it with logfold status job'])
    expect(steps({ ...next, until: 'ready' })).toEqual(['job@2 is built: verify it with logfold reshard verify job'])
    expect(steps({ ...next, paused: true, why: 'Memory runs low' })).toEqual([
      'job@2 is paused (Memory runs low): go on with logfold reshard resume job',
    ])
    expect(steps({ ...next, until: 'ready', verification: { ...clean, differences: 3 } })).toEqual([
      '3 differences were found in job@2, and the log of the process that verified names the first of them: verify again with logfold reshard verify job, or take it away with logfold reshard cancel job',
    ])
    expect(steps({ ...next, why: 'the server of shard a has 9 % of its memory left' })).toEqual([
      'job@2 waits, as the server of shard a has 9 % of its memory left: make room, and it goes on by itself',
    ])
    const progress = { done: 0, total: 100, perSecond: 1, etaSeconds: 100, partitions: [] }
    expect(steps({ ...next, progress, deletesKeptMs: 199_999 })).toEqual([expect.stringContaining('takes longer than half of the time')])
    expect(steps({ ...next, progress, deletesKeptMs: 200_000 })).toEqual(['job@2 is being built: watch it with logfold status job'])
    expect(steps({ ...next, until: 'ready', verification: { ...clean, void: true } })).toEqual([
      'Since job@2 was verified, a shard was folded anew: verify again with logfold reshard verify job',
    ])
    expect(steps({ ...next, phase: 'verified', verification: clean })).toEqual(['job@2 is verified: switch to it with logfold reshard switch job'])
    expect(steps({ ...next, phase: 'verified', until: 'serving', verification: clean })).toEqual([
      'job@2 is verified, and is switched to by itself: watch it with logfold status job',
    ])
    expect(steps({ ...next, phase: 'previous', until: null })).toEqual([
      'job@2 is still fed: take it away with logfold reshard complete job, or go back to it with logfold reshard reverse job',
    ])
    expect(steps({ ...next, phase: 'leaving', until: null, readers: ['there/7'] })).toEqual([
      'job@2 is still read by there/7; it is taken away once it is not',
    ])
    expect(steps({ ...next, phase: 'leaving', until: null })).toEqual([])
  })

  it('tell of what the config has otherwise once something can be made of it', () => {
    const other = { detail: 'The config has backend ring3, and what serves ring2', command: 'logfold reshard create job --to ring3' }
    expect(nextStepsOf('job', [base], other)).toEqual([
      'The config has backend ring3, and what serves ring2: to go over to that, logfold reshard create job --to ring3',
    ])
    expect(nextStepsOf('job', [base, next], other)).toEqual(['job@2 is being built: watch it with logfold status job'])
  })
})
