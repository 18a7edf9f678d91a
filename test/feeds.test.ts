import { describe, expect, it, vi } from 'vitest'
import { MemoryAdmin } from '../backends/memory/operations.ts'
import type { Log } from '../src/model/log.ts'
import { Report } from '../src/pipeline/report.ts'
import { ViewPipeline } from '../src/pipeline/view-pipeline.ts'
import { changedLog, type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { entries, until } from './support/pipeline.ts'

const VIEW = 'job'

const started = async (world: HostedWorld): Promise<HostedProcess> => {
  const process = await world.process()
  await until(() => expect(process.live(1).unreadable()).toBe(undefined))
  return process
}

const holds = (world: HostedWorld, process: HostedProcess, number: number, expected: Record<string, string>): Promise<void> => {
  const { generation, state } = process.live(number)
  return until(async () => expect(await entries(world.store(state.pinned.backend, state.pinned.shards), generation)).toEqual(expected))
}

const steer = (process: HostedProcess, how: { paused?: boolean; rate?: number | null }): Promise<number> =>
  process.send({ command: 'steer', view: VIEW, generation: 2, ...how })

describe('a worker folds', () => {
  it('each generation that is fed, and none that leaves', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await started(world)
    await process.create(2, 'ring3')
    await holds(world, process, 2, { one: '1' })
    expect([1, 2].map(number => process.hosted.feeds?.pipeline(number) !== undefined)).toEqual([true, true])
    await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
    await world.put({ two: '2' })
    for (const number of [1, 2]) await holds(world, process, number, { one: '1', two: '2' })
    await process.send({ command: 'complete', view: VIEW, generation: 1 })
    expect(process.hosted.feeds?.pipeline(1)).toBe(undefined)
    await until(async () => expect(await process.roles()).toEqual({ 2: 'serving' }))
    await world.put({ three: '3' })
    await holds(world, process, 2, { one: '1', two: '2', three: '3' })
  })

  it('as its commands steer it: paused, resumed, at a rate, and freely again once it serves', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await started(world)
    const steers = vi.spyOn(ViewPipeline.prototype, 'steer')
    await process.create(2, 'ring3')
    await holds(world, process, 2, { one: '1' })
    await steer(process, { paused: true })
    await world.put({ two: '2' })
    await holds(world, process, 1, { one: '1', two: '2' })
    await holds(world, process, 2, { one: '1' })
    await steer(process, { paused: false, rate: 1_000 })
    await holds(world, process, 2, { one: '1', two: '2' })
    await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
    const said = steers.mock.calls.map(([to]) => to)
    steers.mockRestore()
    expect(said).toContainEqual({ paused: true, rate: undefined })
    expect(said).toContainEqual({ paused: false, rate: 1_000 })
    expect(said.at(-1)).toEqual({ paused: false, rate: undefined })
  })

  it('no build onto a server that is nearly full, and goes on where there is room again', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await started(world)
    const full = { of: 'memory', usedBytes: 95, limitBytes: 100 } as const
    for (const shard of ['a', 'd']) world.store(shard === 'a' ? 'ring2' : 'ring3').capacities.set(shard, full)
    await process.create(2, 'ring3')
    await until(() => expect(process.hosted.feeds?.heldUp(2)).toBe('the server of shard d has 5 % of its memory left'))
    await world.put({ two: '2' })
    // What serves is folded on: nobody is helped by one that is out of date.
    await holds(world, process, 1, { one: '1', two: '2' })
    expect(process.hosted.feeds?.heldUp(1)).toBe(undefined)
    const { generation } = process.live(2)
    expect(await world.store('ring3').admin(generation).stats('d')).toMatchObject({ entries: 0 })
    world.store('ring3').capacities.set('d', { ...full, usedBytes: 88.5 })
    await until(() => expect(process.hosted.feeds?.heldUp(2)).toBe('the server of shard d has 11 % of its memory left'))
    world.store('ring3').capacities.set('d', { ...full, usedBytes: 80 })
    await holds(world, process, 2, { one: '1', two: '2' })
    expect(process.hosted.feeds?.heldUp(2)).toBe(undefined)
  })

  it('and does not take a look at the view for a new order: what stands still has done so all the while', async () => {
    await using world = await HostedWorld.make()
    const process = await started(world)
    await until(() => expect(process.hosted.feeds?.pipeline(1)?.unready()).toBe(undefined))
    const steered = vi.spyOn(Report.prototype, 'steered')
    const looked = Promise.withResolvers<void>()
    const forget = process.hosted.live.onChange(() => looked.resolve())
    await looked.promise
    forget()
    expect(steered).not.toHaveBeenCalled()
    steered.mockRestore()
  })

  it('on where another generation was stopped for safety', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await started(world)
    world.store('ring3').faults('d').refuses = true
    await process.create(2, 'ring3')
    await world.put(Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`id-${at}`, '1'])))
    await until(() => expect(process.live(2).stopped).toMatchObject({ code: 'view-stopped' }))
    expect([process.live(1).stopped, process.hosted.live.stopped]).toEqual([undefined, undefined])
    await world.put({ two: '2' })
    await until(async () => expect(await entries(world.store('ring2'), process.live(1).generation)).toMatchObject({ two: '2' }))
    expect(process.live(1).unreadable()).toBe(undefined)
  })
})

describe('before a shard is opened', () => {
  it('all commands up to now are asked for: one that leaves, as others know, is not opened again', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await started(world)
    await process.create(2, 'ring3')
    await holds(world, process, 2, { one: '1' })
    const open = vi.spyOn(MemoryAdmin.prototype, 'open')
    const control = process.coordination.control()
    const upToDate = vi.spyOn(control, 'upToDate')
    const cancelled = Promise.withResolvers<void>()
    upToDate.mockImplementationOnce(async signal => {
      await process.send({ command: 'cancel', view: VIEW, generation: 2 })
      upToDate.mockRestore()
      await control.upToDate(signal)
      cancelled.resolve()
    })
    world.store('ring3').faults('d').lose()
    await cancelled.promise
    await until(async () => expect(await process.roles()).toEqual({ 1: 'serving' }))
    expect(open).not.toHaveBeenCalled()
    open.mockRestore()
  })

  it('one that was lost is folded again, unless it is paused', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1', two: '2', three: '3' })
    const process = await started(world)
    await process.create(2, 'ring3')
    await holds(world, process, 2, { one: '1', two: '2', three: '3' })
    await steer(process, { paused: true })
    for (const shard of ['c', 'd', 'e']) world.store('ring3').faults(shard).lose()
    await until(() => expect(process.live(2).unreadable()?.code).toBe('view-folding'))
    expect(await world.store('ring3').writer(process.live(2).generation).checkpoints('d')).toEqual({ kind: 'lost' })
    await steer(process, { paused: false })
    await holds(world, process, 2, { one: '1', two: '2', three: '3' })
  })

  it('a build that may have missed deletes is paused, and folded anew when it is resumed; paused again where that took too long, too; a pause that came too late is none', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1', two: '2', three: '3' })
    let missing: 'none' | 'possible' = 'none'
    const through = (log: Log): Log => changedLog(log, { missingDeletes: async () => missing })
    const process = await world.process({ through })
    await process.create(2, 'ring3')
    await holds(world, process, 2, { one: '1', two: '2', three: '3' })
    const open = vi.spyOn(MemoryAdmin.prototype, 'open')
    const control = process.coordination.control()
    const send = vi.spyOn(control, 'send').mockResolvedValueOnce({ kind: 'refused', reason: 'out-of-date' })
    world.store('ring3').faults('d').away = true
    await world.put({ four: '4' })
    const pipeline = process.hosted.feeds?.pipeline(2)
    await until(() => expect(pipeline?.status().shards).toContainEqual(expect.objectContaining({ shard: 'd', state: 'waiting' })))
    missing = 'possible'
    world.store('ring3').faults('d').away = false
    await until(() => expect(process.live(2).state).toMatchObject({ paused: true, why: expect.stringContaining('Resumed, it is folded anew') }))
    expect(send).toHaveBeenCalledTimes(2)
    expect(open.mock.calls.filter(([, options]) => options?.anew === true)).toEqual([])
    await steer(process, { paused: false })
    await until(() => expect(open.mock.calls.filter(([, options]) => options?.anew === true)).toEqual([['d', { anew: true }]]))
    await holds(world, process, 2, { one: '1', two: '2', three: '3', four: '4' })
    expect(process.live(2).state.paused).toBe(false)
    // The time that it was given doesn't do either.
    world.store('ring3').faults('d').away = true
    await world.put({ five: '5' })
    await until(() => expect(pipeline?.status().shards).toContainEqual(expect.objectContaining({ shard: 'd', state: 'waiting' })))
    world.store('ring3').faults('d').away = false
    await until(() => expect(process.live(2).state.paused).toBe(true))
    expect(open.mock.calls.filter(([, options]) => options?.anew === true)).toEqual([['d', { anew: true }]])
    open.mockRestore()
  })
})
