import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import type { Pinned } from '../src/generations/command.ts'
import type { Projector } from '../src/model/projector.ts'
import { ProjectionRunner } from '../src/projection/runner.ts'
import type { Reloading } from '../src/reloading.ts'
import type { Orders } from '../src/reshard/orders.ts'
import { GenerationRules } from '../src/reshard/rules.ts'
import { viewStatus } from '../src/status.ts'
import { ViewVerbs } from '../src/verbs.ts'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { report } from './support/verify-world.ts'

const projection = 'export default value => value'

describe('the rules of a generation', () => {
  type Live = Parameters<GenerationRules['hold']>[0]
  const live = (uid: string): Live => ({ generation: { uid }, state: { pinned: { format: 'json', projection, partitions: 1 } } }) as Live

  function counted(): { readonly rules: GenerationRules; readonly opened: string[]; readonly ended: number[]; failing: boolean } {
    const opened: string[] = []
    const ended: number[] = []
    const world = { opened, ended, failing: false }
    const openProjector = async ({ projection: source }: Pinned & { readonly projection: string }): Promise<Projector> => {
      const nth = opened.push(source)
      if (world.failing) throw new Error('It cannot be loaded')
      return { project: async () => [], close: async () => void ended.push(nth) }
    }
    return Object.assign(world, { rules: new GenerationRules({ partitioner: 'any', compileSchema: () => () => [], openProjector }) })
  }

  it('run its projection once for all that hold them, until the last one releases them, and anew for whoever comes then', async () => {
    const { rules, opened, ended } = counted()
    const [one, other] = await Promise.all([rules.hold(live('a')), rules.hold(live('a'))])
    expect(one.rules).toBe(other.rules)
    await one.release()
    await one.release()
    expect([opened.length, ended]).toEqual([1, []])
    await other.release()
    expect([opened.length, ended]).toEqual([1, [1]])
    const again = await rules.hold(live('a'))
    await rules.hold(live('b'))
    expect(opened.length).toBe(3)
    await again.release()
    expect(ended).toEqual([1, 2])
    await rules.close()
    expect(ended).toEqual([1, 2, 3])
  })

  it('are tried again by whoever comes after they could not be had', async () => {
    const world = counted()
    world.failing = true
    await expect(world.rules.hold(live('a'))).rejects.toThrow('It cannot be loaded')
    world.failing = false
    const held = await world.rules.hold(live('a'))
    await held.release()
    expect([world.opened.length, world.ended]).toEqual([2, [2]])
  })
})

describe('a process that does not fold a view', () => {
  let closed: MockInstance<ProjectionRunner['close']>
  beforeEach(() => {
    closed = vi.spyOn(ProjectionRunner.prototype, 'close')
  })
  afterEach(() => closed.mockRestore())

  async function reading(world: HostedWorld): Promise<{ readonly worker: HostedProcess; readonly api: HostedProcess }> {
    await world.put({ one: '1', two: '2' })
    const worker = await world.process({ config: { projection } })
    const api = await world.process({ role: 'api', config: { projection } })
    await until(() => expect(api.live(1).unreadable()).toBe(undefined))
    expect(closed).not.toHaveBeenCalled()
    return { worker, api }
  }

  it('ends the projection when it has verified; one that folds it goes on', async () => {
    await using world = await HostedWorld.make()
    const { worker, api } = await reading(world)
    for (const { hosted, live } of [api, worker]) {
      const verify = hosted.verifyOf(live(1))
      verify.start({ repair: false })
      expect(await report(verify)).toMatchObject({ phase: 'done', left: 0 })
      expect(closed).toHaveBeenCalledTimes(1)
    }
  })

  it('ends the projection when it has replayed a dead letter', async () => {
    await using world = await HostedWorld.make()
    const { api } = await reading(world)
    const { hosted, coordination, logger } = api
    const unused = {} as Orders & Reloading
    const views = new Map([['job', hosted]])
    const verbs = new ViewVerbs({ views, orders: unused, reloading: unused, statusOf: view => viewStatus(view, coordination), logger })
    await expect(verbs.replay('job', '1:0:0')).rejects.toMatchObject({ code: 'no-such-dead-letter' })
    expect(closed).toHaveBeenCalledTimes(1)
  })
})

describe('a process that folds a view', () => {
  it('ends the projection of a generation when it is taken away', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await world.process({ config: { projection } })
    const next = await process.create(2, 'ring3')
    await until(() => expect(next.unreadable()).toBe(undefined))
    const closed = vi.spyOn(ProjectionRunner.prototype, 'close')
    try {
      await process.send({ command: 'cancel', view: 'job', generation: 2 })
      await until(() => expect(closed).toHaveBeenCalledTimes(1))
    } finally {
      closed.mockRestore()
    }
  })
})
