import { describe, expect, it } from 'vitest'
import type { ReshardPlan } from '../src/model/reshard.ts'
import { served } from './support/reshard-steps.ts'
import { ReshardWorld, type TestProcess } from './support/reshard-world.ts'

const entriesOf = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`id-${at}`, `{"at":${at}}`]))

async function planned(process: TestProcess, to = 'ring3', rate?: number): Promise<ReshardPlan> {
  const { plan } = await process.ask('create', { to, dryRun: true, rate })
  if (plan === null) throw new Error('There is no plan')
  return plan
}

describe('the plan of a dry run', () => {
  it('tells exactly what moves and where it would stand, where every entry is looked at', async () => {
    await using world = await ReshardWorld.make()
    await served(world, entriesOf(900))
    // Its ring2 has got a shard.
    const process = await world.process({ backends: { ring2: ['a', 'b', 'c'], ring3: ['a', 'b', 'c'] } })
    await process.canRead(1)
    const [from, to] = [world.store('ring2'), world.store('ring2', ['a', 'b', 'c'])]
    const ids = Object.keys(entriesOf(900))
    const counted = (owner: (id: string) => string, shard: string): number => ids.filter(id => owner(id) === shard).length
    const plan = await planned(process, 'ring2')
    expect(plan).toMatchObject({ generation: 2, records: 900, etaSeconds: null, warnings: [] })
    expect(plan.from?.shards.map(({ shard, entries }) => [shard, entries])).toEqual(
      ['a', 'b'].map(shard => [shard, counted(id => from.owner(id), shard)]),
    )
    const each = ['a', 'b', 'c'].map(shard => counted(id => to.owner(id), shard))
    expect(plan.to.shards.map(({ entries }) => entries)).toEqual(each)
    expect(plan.movedShare).toBeCloseTo(ids.filter(id => from.owner(id) !== to.owner(id)).length / 900, 10)
    expect(plan.skew).toBeCloseTo((Math.max(...each) * 3) / 900, 10)
    // As much as ids and values come to.
    const bytes = Object.entries(entriesOf(900)).reduce((sum, [id, value]) => sum + id.length + value.length, 0)
    expect(Math.abs(plan.to.shards.reduce((sum, shard) => sum + (shard.bytes ?? 0), 0) - bytes)).toBeLessThan(3)
    // On another backend everything is elsewhere, whatever its shards are called.
    expect((await planned(process)).movedShare).toBe(1)
  })

  it('warns of a server that would have less than a tenth left', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world, entriesOf(300))
    const { capacities } = world.store('ring3')
    capacities.set('a', { of: 'memory', usedBytes: 500_000, limitBytes: 1_000_000 })
    capacities.set('b', { of: 'memory', usedBytes: 899_000, limitBytes: 1_000_000 })
    const plan = await planned(process)
    expect(plan.to.shards.map(({ usedBytes, limitBytes }) => [usedBytes, limitBytes])).toEqual([
      [500_000, 1_000_000],
      [899_000, 1_000_000],
      [null, null],
    ])
    expect(plan.warnings).toEqual(['Shard b of ring3 would be 90 % full; a build pauses at 90 %, and waits for room'])
  })

  it('says how long it takes at the rate that is asked for, of each worker, and nothing of it without one', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world, entriesOf(300))
    expect((await planned(process)).etaSeconds).toBe(null)
    expect((await planned(process, 'ring3', 10)).etaSeconds).toBe(30)
  })

  it('says what it does not know where a shard of what serves does not answer', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world, entriesOf(300))
    world.store('ring2').faults('b').away = true
    const plan = await planned(process)
    expect(plan).toMatchObject({ movedShare: null, skew: null })
    expect(plan.from?.shards[1]).toMatchObject({ shard: 'b', entries: null, bytes: null })
    expect(plan.to.shards.map(({ entries }) => entries)).toEqual([null, null, null])
    expect(plan.warnings).toEqual(['Not every shard of job@1 answers, so that only a part is estimated: b'])
    // No fewer than there are.
    expect(plan.records).toBe(300)
  })
})
