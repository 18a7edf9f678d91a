import { describe, expect, it } from 'vitest'
import { LogfoldError } from '../src/model/errors.ts'
import type { ReshardVerb } from '../src/model/reshard.ts'
import type { Ordered } from '../src/reshard/orders.ts'
import { filled, lastCommand, served, verified } from './support/reshard-steps.ts'
import { ReshardWorld, type TestProcess } from './support/reshard-world.ts'

const refusal = async (asked: Promise<unknown>): Promise<LogfoldError> => {
  const error = await asked.then(
    () => undefined,
    thrown => thrown,
  )
  if (error instanceof LogfoldError) return error
  throw error ?? new Error('It was not refused')
}

/** The names of the checks that it failed. */
const named = async (asked: Promise<unknown>): Promise<readonly string[]> => {
  const { code, errors } = await refusal(asked)
  expect(code).toBe('command-refused')
  return errors?.map(({ pointer }) => pointer) ?? []
}

const failing = ({ checks }: Ordered): readonly string[] => checks.filter(({ ok }) => !ok).map(({ name, forced }) => (forced ? `${name}!` : name))

describe('an operator who moves a view', () => {
  it('creates, switches, goes back, switches again and completes; and is told where it is so already', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    const created = await process.ask('create', { to: 'ring3', rate: 700, by: 'ann' })
    expect(created).toMatchObject({ view: 'job', verb: 'create', generation: 2, outcome: 'accepted', plan: null })
    expect(await lastCommand(world)).toMatchObject({ command: 'create', by: 'ann, through test' })
    expect((await process.state()).generations[1]).toMatchObject({
      number: 2,
      role: 'next',
      until: 'verified',
      rate: 700,
      pinned: { backend: 'ring3', shards: ['a', 'b', 'c'] },
    })
    await process.fold(2)
    await process.canRead(2)
    await verified(process, 2)
    expect(await process.ask('switch')).toMatchObject({ generation: 2, outcome: 'accepted', checks: [{ ok: true }, { ok: true }, { ok: true }] })
    expect(await process.ask('switch')).toMatchObject({ generation: 2, outcome: 'nothing' })
    expect(await process.roles()).toEqual({ 1: 'previous', 2: 'serving' })
    expect(await process.ask('reverse')).toMatchObject({ generation: 1, outcome: 'accepted' })
    expect(await process.ask('reverse')).toMatchObject({ generation: 1, outcome: 'nothing' })
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
    expect(await process.ask('switch')).toMatchObject({ generation: 2, outcome: 'accepted' })
    expect(await process.ask('complete')).toMatchObject({ generation: 1, outcome: 'accepted' })
    expect(await process.ask('complete')).toMatchObject({ generation: 1, outcome: 'nothing' })
    expect(await process.roles()).toEqual({ 1: 'leaving', 2: 'serving' })
  })

  it('pauses, goes on, verifies and cancels what is built, and each command says what it changes', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    const next = async (): Promise<unknown> => (await process.state()).generations[1]
    expect(await process.ask('pause')).toMatchObject({ generation: 2, outcome: 'accepted' })
    expect(await next()).toMatchObject({ paused: true, why: 'An operator paused it' })
    expect(await process.ask('pause')).toMatchObject({ outcome: 'nothing' })
    expect(await process.ask('resume', { rate: 50, until: 'ready' })).toMatchObject({ outcome: 'accepted' })
    expect(await next()).toMatchObject({ paused: false, why: undefined, rate: 50, until: 'ready' })
    expect(await process.ask('resume', { rate: 50, until: 'ready' })).toMatchObject({ outcome: 'nothing' })
    expect(await process.ask('resume', { rate: null })).toMatchObject({ outcome: 'accepted' })
    expect(await next()).toMatchObject({ rate: undefined, until: 'ready' })
    expect(await process.ask('verify')).toMatchObject({ outcome: 'accepted' })
    expect(await next()).toMatchObject({ until: 'verified' })
    expect(await process.ask('verify')).toMatchObject({ outcome: 'nothing' })
    await verified(process, 2, 3)
    expect(await next()).toMatchObject({ until: 'ready' })
    expect(await process.ask('verify')).toMatchObject({ outcome: 'accepted' })
    expect(await process.ask('cancel')).toMatchObject({ generation: 2, outcome: 'accepted' })
    expect(await process.ask('cancel')).toMatchObject({ generation: 2, outcome: 'nothing' })
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'leaving' })
  })

  it('needs to verify what was reversed only where a shard was folded anew since', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await verified(process, 2)
    await process.ask('switch')
    await process.ask('reverse')
    expect((await process.state()).generations[1]).toMatchObject({ role: 'next', until: 'ready' })
    expect(await process.ask('verify')).toMatchObject({ outcome: 'nothing', checks: [{ name: 'state', detail: 'job@2 is verified already' }] })
    world.store('ring3').faults('b').lose()
    expect(await process.ask('verify')).toMatchObject({ outcome: 'accepted' })
    expect((await process.state()).generations[1]).toMatchObject({ until: 'verified' })
  })

  it('tells what serves beside a previous one how far to go', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await verified(process, 2)
    await process.ask('switch')
    expect(await process.ask('resume', { until: 'completed' })).toMatchObject({ generation: 2, outcome: 'accepted' })
    expect((await process.state()).generations[1]).toMatchObject({ role: 'serving', until: 'completed' })
    expect(await process.ask('resume', { until: 'completed' })).toMatchObject({ outcome: 'nothing' })
    expect(await named(process.ask('resume', { until: 'verified' }))).toEqual(['not-next'])
  })

  it('is told of a verb that no generation is for, with what to do instead', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    const all = async (): Promise<Record<string, string>> => {
      const told: Record<string, string> = {}
      for (const verb of ['switch', 'reverse', 'complete', 'cancel', 'pause', 'resume', 'verify'] satisfies ReshardVerb[]) {
        const { outcome, checks } = await process.ask(verb, { dryRun: true })
        told[verb] = checks.find(({ ok }) => !ok)?.name ?? outcome
      }
      return told
    }
    const none = 'no-such-generation'
    const alone = { switch: none, reverse: none, complete: none, cancel: none, pause: 'not-next', resume: 'not-next', verify: 'not-next' }
    expect(await all()).toEqual(alone)
    await process.ask('create', { to: 'ring3' })
    const beside = { switch: 'not-ready', reverse: 'use-switch', complete: 'use-cancel', cancel: 'would', pause: 'would' }
    expect(await all()).toEqual({ ...beside, resume: 'nothing', verify: 'nothing' })
    await process.fold(2)
    await process.canRead(2)
    await verified(process, 2)
    await process.ask('switch')
    const switched = { switch: 'nothing', reverse: 'would', complete: 'would', cancel: 'use-complete' }
    expect(await all()).toEqual({ ...alone, ...switched })
    await process.ask('complete')
    expect(await all()).toEqual({ ...alone, switch: 'nothing', complete: 'nothing', cancel: 'nothing' })
    const { message, remedy } = await refusal(process.ask('reverse'))
    expect(message).toBe('reverse of job does not fit now. There is no such generation: job@1 is being taken away, job@2 serves')
    expect(remedy).toBe('Make one: logfold reshard create job --to BACKEND, or logfold rebuild job')
  })
})

describe('a switch where none is being built', () => {
  it('is so already where what serves was switched to, also when the one before is gone', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await verified(process, 2)
    await process.ask('switch')
    await process.ask('complete')
    await process.send({ command: 'dropped', view: 'job', generation: 1, left: [] })
    expect(await process.roles()).toEqual({ 2: 'serving' })
    expect(await process.ask('switch')).toMatchObject({ generation: 2, outcome: 'nothing', checks: [{ ok: true, detail: 'job@2 serves already' }] })
  })

  it('is refused where the one that was made since was taken away, as who asks may mean that', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await verified(process, 2)
    await process.ask('switch')
    await process.ask('reverse')
    await process.ask('cancel')
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'leaving' })
    expect(await named(process.ask('switch'))).toEqual(['no-such-generation'])
  })
})

describe('a command that cannot be asked for', () => {
  it('is not sent once the operator has gone, however long a store hangs', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await verified(process, 2)
    const { last } = await process.state()
    const hold = world.store('ring3').faults('b').hold()
    const gone = new AbortController()
    const asking = process.ordersBy(process.coordination).reshard(process.view, 'switch', { dryRun: false, force: [] }, gone.signal)
    await hold.reached
    gone.abort(new Error('gone'))
    await expect(asking).rejects.toThrow('gone')
    hold.release()
    expect((await process.state()).last).toBe(last)
  })

  it('is left to a later version, where one is at work on the view', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    const topic = await world.log.topic({ name: 'logfold.control', partitions: 1, replication: 1, create: false })
    const { last } = await process.state()
    const later = { format: 2, view: 'job', after: last, command: 'split' }
    await world.log.writer(topic).append([{ partition: 0, key: Buffer.from('job/later'), value: Buffer.from(JSON.stringify(later)) }], 5_000)
    await expect(process.ask('create', { to: 'ring3' })).rejects.toMatchObject({ code: 'too-old' })
  })
})

describe('what speaks against a switch', () => {
  it('is told all at once, and overridden by name; the command says which had to be', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    const poor = await world.process({ role: 'api', backends: { ring2: ['a', 'b'] } })
    await poor.canRead(1)
    world.store('ring3').faults('b').away = true
    expect(await named(process.ask('switch'))).toEqual(['not-ready', 'unverified', 'readers'])
    const { message, remedy } = await refusal(process.ask('switch'))
    expect(message).toContain('job@2 is not verified')
    expect(message).toContain('Not every process can read job@2')
    expect(remedy).toContain('--force readers')
    expect(failing(await process.ask('switch', { dryRun: true }))).toEqual(['not-ready', 'unverified', 'readers'])
    expect(await named(process.ask('switch', { force: ['readers', 'not-ready'] }))).toEqual(['unverified'])
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
    world.store('ring3').faults('b').away = false
    await process.canRead(2)
    await poor.close()
    // What was said to be overridden and needn't be, stands nowhere.
    const answer = await process.ask('switch', { force: ['unverified', 'readers', 'not-ready', 'left'] })
    expect(failing(answer)).toEqual(['unverified!'])
    expect(await lastCommand(world)).toMatchObject({ command: 'switch', forced: ['unverified'] })
    expect(await process.roles()).toEqual({ 1: 'previous', 2: 'serving' })
  })

  it('is nothing for going back but that it is filled and can be read; nor for completing, but what serves', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await process.ask('switch', { force: ['unverified'] })
    world.store('ring2').faults('a').away = true
    expect(await named(process.ask('reverse'))).toEqual(['not-ready'])
    world.store('ring2').faults('a').away = false
    world.store('ring3').faults('c').away = true
    expect(await named(process.ask('complete'))).toEqual(['not-ready'])
    await process.canRead(1)
    expect(await process.ask('reverse')).toMatchObject({ outcome: 'accepted', generation: 1 })
  })
})

describe('what is left on a server', () => {
  it('may stay where the operator says so: at once where it does not answer, and later in any case', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    world.store('ring3').faults('b').away = true
    expect(failing(await process.ask('cancel', { dryRun: true }))).toEqual([])
    expect(failing(await process.ask('cancel', { dryRun: true, force: ['left'] }))).toEqual(['left!'])
    await process.ask('cancel')
    expect((await process.state()).generations[1]).toMatchObject({ role: 'leaving', forsaken: false })
    expect(await process.ask('cancel')).toMatchObject({ outcome: 'nothing' })
    expect(await process.ask('cancel', { force: ['left'] })).toMatchObject({ outcome: 'accepted', generation: 2 })
    expect((await process.state()).generations[1]).toMatchObject({ role: 'leaving', forsaken: true })
    expect(await process.ask('cancel', { force: ['left'] })).toMatchObject({ outcome: 'nothing' })
    world.store('ring3').faults('b').away = false
  })

  it('is not said to stay where every server answers', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    await process.ask('cancel', { force: ['left'] })
    expect((await process.state()).generations[1]).toMatchObject({ role: 'leaving', forsaken: false })
  })

  it('is reached by the verb that is not for one that is alive', async () => {
    await using world = await ReshardWorld.make()
    const process: TestProcess = await filled(world)
    await process.ask('cancel')
    await process.ask('create', { to: 'ring3' })
    expect(await process.ask('complete', { force: ['left'] })).toMatchObject({ outcome: 'accepted', generation: 2 })
    expect((await process.state()).generations.map(({ number, forsaken }) => [number, forsaken])).toEqual([
      [1, false],
      [2, true],
      [3, false],
    ])
  })
})
