import { describe, expect, it, vi } from 'vitest'
import { MemoryAdmin } from '../backends/memory/operations.ts'
import { COMMAND_FORMAT } from '../src/generations/command.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Until } from '../src/model/until.ts'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { entries, until } from './support/pipeline.ts'

const VIEW = 'job'

/** A process that folds and keeps the view, whose generation 1 is filled. */
async function kept(world: HostedWorld): Promise<HostedProcess> {
  await world.put({ one: '1', two: '2', three: '3' })
  const process = await world.process()
  await until(() => expect(process.live(1).unreadable()).toBe(undefined))
  return process
}

/** Beside it generation 2, filled, on its way to here. */
async function keptNext(world: HostedWorld, goes: Until = 'ready'): Promise<HostedProcess> {
  const process = await kept(world)
  const live = await process.create(2, 'ring3', goes)
  await until(() => expect(live.unreadable()).toBe(undefined))
  return process
}

const rolesAre = (process: HostedProcess, roles: Readonly<Record<number, string>>): Promise<void> =>
  until(async () => expect(await process.roles()).toEqual(roles))

const isShown = (process: HostedProcess, number: number): Promise<void> => {
  const { backend, generation } = process.live(number).source()
  return until(async () => {
    for (const shard of backend.shards) expect(await backend.admin(generation).marks(shard)).toMatchObject({ shown: true })
  })
}

/** What keeps the keeper from something, as it tells it. */
const told = ({ logger }: HostedProcess): readonly unknown[] =>
  logger.lines.filter(({ message }) => message.startsWith('What the view needs')).map(({ fields }) => fields.cause)

describe('the keeper', () => {
  it('shows what serves to people, shard by shard, and again what serves after a reverse', async () => {
    await using world = await HostedWorld.make({ ring2: ['a', 'b'] })
    world.store('ring2').faults('b').away = true
    const process = await world.process()
    const shown = async (number: number, shard: string): Promise<boolean> =>
      (await process.live(number).source().backend.admin(process.live(number).generation).marks(shard)).shown
    await until(async () => expect(await shown(1, 'a')).toBe(true))
    world.store('ring2').faults('b').away = false
    await isShown(process, 1)
    const { generation } = await process.create(2, 'ring2')
    await until(() => expect(process.live(2).unreadable()).toBe(undefined))
    const switchedAt = await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
    await isShown(process, 2)
    expect(await shown(1, 'a')).toBe(false)
    await process.send({ command: 'reverse', view: VIEW, generation: 1 })
    await isShown(process, 1)
    // A keeper that slept since the switch.
    const late = { topicId: process.coordination.control().topicId, offset: switchedAt }
    expect(await world.store('ring2').admin(generation).serve('a', late)).toBe('outdated')
    expect(await shown(1, 'a')).toBe(true)
  })

  it('verifies, goes over, completes and drops, where all that is to go by itself', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'completed')
    const first = process.live(1)
    await rolesAre(process, { 2: 'serving' })
    expect((await process.state()).generations[0]?.verification).toMatchObject({ differences: 0, unresolved: 0 })
    await until(() => expect(process.hosted.live.serving().generation.number).toBe(2))
    for (const shard of ['a', 'b']) expect(await world.store('ring2').writer(first.generation).checkpoints(shard)).toEqual({ kind: 'lost' })
    expect(await entries(world.store('ring3'), process.live(2).generation)).toEqual({ one: '1', two: '2', three: '3' })
    // Nobody has its store any more.
    await until(() => expect(process.stores.all().map(({ name }) => name)).toEqual(['ring3']))
  })

  it('goes no further than it is told', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'verified')
    await until(async () => expect((await process.state()).generations[1]?.verification).toMatchObject({ differences: 0 }))
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'serving' })
    await rolesAre(process, { 1: 'previous', 2: 'serving' })
  })

  it('tells what verifying finds, and verifies no more by itself', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world)
    const { backend, generation } = process.live(2).source()
    const shard = backend.owner('one')
    const answer = await backend.writer(generation).checkpoints(shard)
    const checkpoint = answer.kind === 'open' ? answer.checkpoints[0] : undefined
    if (checkpoint === undefined) throw new Error('It is open')
    const { position: from, vouched } = checkpoint
    const op = { kind: 'del', id: 'one', offset: 0 } as const
    expect(await backend.writer(generation).apply(shard, { partition: 0, from, vouched, checkpoint, ops: [op] })).toEqual({ kind: 'applied' })
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'completed' })
    await until(async () => expect((await process.state()).generations[1]).toMatchObject({ verification: { differences: 1 }, until: 'ready' }))
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
  })

  it('verifies again what was folded anew since', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'verified')
    const openings = async (): Promise<unknown> => (await process.state()).generations[1]?.verification?.openings
    await until(async () => expect(await openings()).toBeDefined())
    const before = await openings()
    world.store('ring3').faults('c').lose()
    await until(async () => expect(await openings()).not.toEqual(before))
    expect(await openings()).toMatchObject({ d: (before as Record<string, string>).d })
  })

  it.each(['steer', 'cancel'] as const)('ends a verification that nobody wants any more: %s', async command => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world)
    await world.put(Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`id-${at}`, '1'])))
    const verify = process.hosted.verifyOf(process.live(2))
    const slow = verify.start.bind(verify)
    verify.start = request => slow({ ...request, rate: 1 })
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'verified' })
    await until(() => expect(verify.status()?.phase).toBe('folding'))
    if (command === 'steer') await process.send({ command, view: VIEW, generation: 2, paused: true })
    else await process.send({ command, view: VIEW, generation: 2 })
    await until(() => expect(verify.status()?.phase).toBe('cancelled'))
    expect((await process.state()).generations.find(({ number }) => number === 2)?.verification).toBe(undefined)
  })

  it('goes over only once every process that answers reads can read the new one', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'verified')
    const other = await world.start({ role: 'api', backends: { ring2: ['a', 'b'] } })
    await until(() => expect(process.coordination.living()).toHaveLength(2))
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'serving' })
    await until(() => expect(told(process)).toContainEqual(expect.stringContaining('Not every process can read job@2: here/')))
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
    await other.close()
    await rolesAre(process, { 1: 'previous', 2: 'serving' })
  })

  it('completes only while what serves is up', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'serving')
    await rolesAre(process, { 1: 'previous', 2: 'serving' })
    world.store('ring3').faults('d').away = true
    await until(() => expect(process.live(2).unreadable()).toBeDefined())
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'completed' })
    const { reached, release } = world.store('ring3').faults('c').hold()
    await reached
    release()
    expect(await process.roles()).toEqual({ 1: 'previous', 2: 'serving' })
    world.store('ring3').faults('d').away = false
    await rolesAre(process, { 2: 'serving' })
  })
})

describe('what leaves', () => {
  it('is taken away once nobody answers from it any more, a request under way among them', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world)
    await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
    const release = process.live(1).serving().hold()
    await process.send({ command: 'complete', view: VIEW, generation: 1 })
    await until(() =>
      expect(told(process)).toContainEqual(expect.stringMatching(/^job@1 leaves once nobody answers from it any more; now do here\//)),
    )
    expect(await world.store('ring2').reader(process.live(1).generation).filled('a')).toBe(true)
    release()
    await rolesAre(process, { 2: 'serving' })
  })

  it('waits for a server that is away, beside others that go, until somebody says that what is left may stay', async () => {
    await using world = await HostedWorld.make({ ring2: ['a', 'b'], ring3: ['c', 'd', 'e'], ring1: ['f'] })
    const process = await keptNext(world)
    const gone = process.live(2).generation
    world.store('ring3').faults('d').away = true
    const drop = vi.spyOn(MemoryAdmin.prototype, 'drop')
    await process.send({ command: 'cancel', view: VIEW, generation: 2 })
    await until(() => expect(drop.mock.calls.filter(([shard]) => shard === 'd').length).toBeGreaterThan(1))
    // Which may mean to go over all keys of a server.
    expect(drop.mock.calls.map(([shard]) => shard).filter(shard => shard !== 'd')).toEqual(['c', 'e'])
    drop.mockRestore()
    const third = await process.create(3, 'ring1')
    await until(() => expect(third.unreadable()).toBe(undefined))
    await process.send({ command: 'cancel', view: VIEW, generation: 3 })
    await rolesAre(process, { 1: 'serving', 2: 'leaving' })
    await process.send({ command: 'cancel', view: VIEW, generation: 2, forced: ['left'] })
    // It is tried for 5 s more.
    await vi.waitFor(async () => expect(await process.roles()).toEqual({ 1: 'serving' }), 20_000)
    expect(process.logger.lines.filter(({ message }) => message === 'A generation was taken away').map(({ fields }) => fields)).toEqual([
      { generation: 'job@3', left: [] },
      { generation: 'job@2', left: ['d'] },
    ])
    world.store('ring3').faults('d').away = false
    expect(await world.store('ring3').writer(gone).checkpoints('c')).toEqual({ kind: 'lost' })
    expect(await world.store('ring3').writer(gone).checkpoints('d')).toMatchObject({ kind: 'open' })
  })

  it('and may stay on a server is taken away all the same where that is silent for a moment only', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world)
    const gone = process.live(2).generation
    world.store('ring3').faults('d').away = true
    using drop = vi.spyOn(MemoryAdmin.prototype, 'drop')
    await process.send({ command: 'cancel', view: VIEW, generation: 2, forced: ['left'] })
    await until(() => expect(drop.mock.calls.filter(([shard]) => shard === 'd').length).toBeGreaterThan(2))
    world.store('ring3').faults('d').away = false
    await rolesAre(process, { 1: 'serving' })
    expect(process.logger.lines.filter(({ message }) => message === 'A generation was taken away').map(({ fields }) => fields)).toEqual([
      { generation: 'job@2', left: [] },
    ])
    expect(await world.store('ring3').writer(gone).checkpoints('d')).toEqual({ kind: 'lost' })
    // The others aren't gone over again for it.
    expect(drop.mock.calls.map(([shard]) => shard).filter(shard => shard !== 'd')).toEqual(['c', 'e'])
  })

  it('also where it was silent after it had been at work for long', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world)
    const gone = process.live(2).generation
    const clock = performance.now.bind(performance)
    let silences = 0
    const { drop: dropped } = MemoryAdmin.prototype
    using now = vi.spyOn(performance, 'now')
    using _ = vi.spyOn(MemoryAdmin.prototype, 'drop').mockImplementation(async function (this: MemoryAdmin, shard) {
      if (shard === 'd' && silences++ < 2) {
        // As if it had taken a minute to come there.
        now.mockImplementation(() => clock() + 60_000)
        throw new LogfoldError('view-unavailable', 'd does not answer')
      }
      await dropped.call(this, shard)
    })
    await process.send({ command: 'cancel', view: VIEW, generation: 2, forced: ['left'] })
    await rolesAre(process, { 1: 'serving' })
    expect(process.logger.lines.filter(({ message }) => message === 'A generation was taken away').map(({ fields }) => fields)).toEqual([
      { generation: 'job@2', left: [] },
    ])
    expect(await world.store('ring3').writer(gone).checkpoints('d')).toEqual({ kind: 'lost' })
  })
})

describe('who keeps the view', () => {
  it('is one process, after whose end another goes on', async () => {
    await using world = await HostedWorld.make()
    const [one, other] = [await world.process({ ownLog: true }), await world.process({ ownLog: true })]
    await until(() => expect([one, other].filter(({ hosted }) => hosted.keeps)).toHaveLength(1))
    const [keeps, waits] = one.hosted.keeps ? [one, other] : [other, one]
    await waits.create(2, 'ring3', 'serving')
    await keeps.close()
    await until(() => expect(waits.hosted.keeps).toBe(true))
    await rolesAre(waits, { 1: 'previous', 2: 'serving' })
  })

  it('steps back while its config lacks a backend, and keeps it again once it has that', async () => {
    await using world = await HostedWorld.make()
    const process = await world.process({ backends: { ring2: ['a', 'b'] } })
    await until(() => expect(process.hosted.keeps).toBe(true))
    const other = await world.process({ role: 'api' })
    await other.create(2, 'ring3')
    await until(() => expect(process.hosted.keeps).toBe(false))
    process.stores.reconfigure(world.backendsOf({ ring2: ['a', 'b'], ring3: ['c', 'd', 'e'] }))
    await until(() => expect(process.hosted.keeps).toBe(true))
  })

  it('is nobody here any more once a later version is at work on the view', async () => {
    await using world = await HostedWorld.make()
    const process = await kept(world)
    await until(() => expect(process.hosted.keeps).toBe(true))
    const { topic } = process.coordination.control()
    const newer = { format: COMMAND_FORMAT + 1, view: VIEW, after: (await process.state()).last }
    await world.log.writer(topic).append([{ partition: 0, key: Buffer.from('k'), value: Buffer.from(JSON.stringify(newer)) }], 5_000)
    await until(() => expect(process.hosted.keeps).toBe(false))
  })

  it('lets go what was forsaken also where no config has a backend of it any more', async () => {
    await using world = await HostedWorld.make()
    const process = await world.process({ backends: { ring2: ['a', 'b'] } })
    await until(() => expect(process.hosted.keeps).toBe(true))
    const other = await world.process({ role: 'api' })
    await other.create(2, 'ring3')
    await until(() => expect(process.hosted.keeps).toBe(false))
    await other.send({ command: 'cancel', view: VIEW, generation: 2, forced: ['left'] })
    await rolesAre(process, { 1: 'serving' })
    const taken = process.logger.lines.filter(({ message }) => message === 'A generation was taken away').map(({ fields }) => fields)
    expect(taken).toEqual([{ generation: 'job@2', left: ['c', 'd', 'e'] }])
  })
})
