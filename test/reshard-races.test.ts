import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CommandName, decodeCommand } from '../src/generations/command.ts'
import type { Order } from '../src/generations/control.ts'
import type { Coordination } from '../src/generations/coordination.ts'
import { judge, nothingYet } from '../src/generations/state.ts'
import { isLogfoldError } from '../src/model/errors.ts'
import { type ReshardVerb, reshardVerbs } from '../src/model/reshard.ts'
import type { Ordered } from '../src/reshard/orders.ts'
import { filled } from './support/reshard-steps.ts'
import { ReshardWorld, type TestProcess } from './support/reshard-world.ts'

/** Who lives is known only after this has happened: by then the checks go by what was. */
const afterwards = ({ coordination }: TestProcess, happens: () => Promise<unknown>): Pick<Coordination, 'control' | 'presence'> => ({
  control: () => coordination.control(),
  presence: () => {
    const presence = coordination.presence()
    const certainlyLiving: typeof presence.certainlyLiving = async signal => {
      await happens()
      return await presence.certainlyLiving(signal)
    }
    return Object.assign(Object.create(presence), { certainlyLiving })
  },
})

const asked = (process: TestProcess, verb: ReshardVerb, happens: () => Promise<unknown>): Promise<Ordered> =>
  process.ordersBy(afterwards(process, happens)).reshard(process.view, verb, { dryRun: false, force: ['unverified'] }, AbortSignal.timeout(15_000))

const once = (happens: () => Promise<unknown>): (() => Promise<unknown>) => {
  let happened = false
  return async () => {
    if (happened) return
    happened = true
    await happens()
  }
}

const steered = (process: TestProcess, rate: number): Promise<unknown> => process.send({ command: 'steer', view: 'job', generation: 2, rate })

describe('a command that comes between the checks and the sending', () => {
  it('has them made once more, and it goes on where the same generation is meant', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    const looked: number[] = []
    const answer = await asked(process, 'switch', async () => {
      looked.push(1)
      if (looked.length === 1) await steered(process, 5)
    })
    expect(answer).toMatchObject({ outcome: 'accepted', generation: 2 })
    expect(looked.length).toBe(2)
    expect(await process.roles()).toEqual({ 1: 'previous', 2: 'serving' })
  })

  it('ends it where another follows, or another generation would be meant; and somebody was quicker, it says', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    let rate = 0
    const quicker = {
      code: 'command-refused',
      message: expect.stringContaining('Somebody else was quicker'),
      remedy: expect.stringContaining('logfold status job'),
    }
    await expect(asked(process, 'switch', () => steered(process, ++rate))).rejects.toMatchObject(quicker)
    const exchanged = once(async () => {
      await process.ask('cancel')
      await process.ask('create', { to: 'ring3' })
    })
    await expect(asked(process, 'switch', exchanged)).rejects.toMatchObject(quicker)
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'leaving', 3: 'next' })
  })

  it('may have done what was asked for', async () => {
    await using world = await ReshardWorld.make()
    const process = await filled(world)
    const answer = await asked(
      process,
      'switch',
      once(() => process.send({ command: 'switch', view: 'job', generation: 2, forced: ['unverified'] })),
    )
    expect(answer).toMatchObject({ outcome: 'nothing', generation: 2 })
  })
})

/** What a worker may send at any time. */
const workers = ['verified', 'differences', 'dropped'] as const
type Step = ReshardVerb | (typeof workers)[number]

/** What stands in the control topic for it. */
const commandOf = (step: Step): CommandName => {
  if (step === 'create' || step === 'rebuild') return 'create'
  if (step === 'pause' || step === 'resume' || step === 'verify') return 'steer'
  return step === 'differences' ? 'verified' : step
}

describe('two processes that are asked for anything at once', () => {
  it('are told the truth, each of its own commands, and the view keeps what always holds', async () => {
    await using world = await ReshardWorld.make()
    const one = await filled(world)
    const two = await world.process()
    await two.canRead(2)
    const anySteps = fc.array(fc.constantFrom<Step>(...reshardVerbs, ...workers, 'create', 'switch', 'complete', 'cancel'), {
      minLength: 4,
      maxLength: 8,
    })
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(anySteps, anySteps, async (ofOne, ofTwo) => {
        const { last } = await one.state()
        const told: string[] = []
        const walk = async (process: TestProcess, by: string, steps: readonly Step[]): Promise<void> => {
          for (const step of steps) if (await act(process, by, step)) told.push(`${by}: ${commandOf(step)}`)
        }
        await Promise.all([walk(one, 'one', ofOne), walk(two, 'two', ofTwo)])
        const state = await one.state()
        expect(await two.state()).toEqual(state)
        expect(state.generations.filter(({ role }) => role === 'serving').length).toBe(1)
        expect(state.generations.filter(({ role }) => role === 'next' || role === 'previous').length).toBeLessThanOrEqual(1)
        expect(told.toSorted()).toEqual((await acceptedSince(world, last)).toSorted())
        accepted += told.length
      }),
      { numRuns: 40 },
    )
    // It was about something.
    expect(accepted).toBeGreaterThan(40)
  }, 120_000)
})

/** Whether it was told that it was accepted. */
async function act(process: TestProcess, by: string, step: Step): Promise<boolean> {
  if (step === 'verified' || step === 'differences' || step === 'dropped') return await work(process, by, step)
  const force = ['unverified', 'not-ready', 'readers'] as const
  try {
    const serving = process.view.generations.find(({ state }) => state.role === 'serving')
    const to = serving?.state.pinned.backend === 'ring3' ? 'ring2' : 'ring3'
    const { outcome } = await process.ask(step, { by, force, ...(step === 'create' ? { to } : {}) })
    return outcome === 'accepted'
  } catch (error) {
    if (isLogfoldError(error, 'command-refused')) return false
    throw error
  }
}

async function work(process: TestProcess, by: string, step: (typeof workers)[number]): Promise<boolean> {
  const role = step === 'dropped' ? 'leaving' : 'next'
  const meant = process.view.generations.find(({ state }) => state.role === role)
  if (meant === undefined) return false
  const of = { view: 'job', generation: meant.number }
  const order: Order =
    step === 'dropped'
      ? { ...of, command: 'dropped', left: [] }
      : { ...of, command: 'verified', openings: {}, differences: step === 'verified' ? 0 : 1, unresolved: 0 }
  const sent = await process.coordination.control().send(order, AbortSignal.timeout(5_000), by)
  return sent.kind === 'accepted'
}

/** What the fold of the topic, made here once more, took from behind this offset on: who asked, and the command. */
async function acceptedSince({ log }: ReshardWorld, last: number): Promise<readonly string[]> {
  const topic = await log.topic({ name: 'logfold.control', partitions: 1, replication: 1, create: false })
  const [end = 0] = await log.endOffsets(topic)
  const reader = log.reader(topic, 0, 0)
  const accepted: string[] = []
  let state = nothingYet
  for (let next = 0; next < end; ) {
    const stretch = await reader.next(1_000)
    const cursor = stretch.records()
    while (cursor.next()) {
      const decoded = decodeCommand(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd))
      if (decoded.kind !== 'command') throw new Error('It is no command')
      const { command } = decoded
      const verdict = judge(state, command, cursor.offset)
      if (verdict.kind === 'refused') continue
      state = verdict.state
      if (cursor.offset > last) accepted.push(`${command.by.split(',')[0]}: ${command.command}`)
    }
    next = stretch.next
  }
  reader.close()
  return accepted
}
