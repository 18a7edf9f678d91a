import { describe, expect, it } from 'vitest'
import { COMMAND_FORMAT } from '../src/generations/command.ts'
import { unconfiguredViews, viewStatus } from '../src/status.ts'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { presenceRecord } from './support/presences.ts'

const statusOf = ({ hosted, coordination }: HostedProcess): ReturnType<typeof viewStatus> => viewStatus(hosted, coordination)

async function started(world: HostedWorld): Promise<HostedProcess> {
  await world.put({ one: '1' })
  const process = await world.process()
  await until(() => expect(process.live(1).unreadable()).toBe(undefined))
  return process
}

describe('the status of a view that a later version is at work on', () => {
  it('says so, with what to do, and names no command that would be refused', async () => {
    await using world = await HostedWorld.make()
    const process = await started(world)
    const next = await process.create(2, 'ring3')
    await until(() => expect(next.unreadable()).toBe(undefined))
    const before = await statusOf(process)
    expect(before).toMatchObject({ state: 'serving', problem: null })
    expect(before.next_steps).toContain('job@2 is built: verify it with logfold reshard verify job')
    const { topic } = process.coordination.control()
    const newer = { format: COMMAND_FORMAT + 1, view: 'job', after: (await process.state()).last }
    await world.log.writer(topic).append([{ partition: 0, key: Buffer.from('k'), value: Buffer.from(JSON.stringify(newer)) }], 5_000)
    expect((await process.state()).halted).toBeDefined()
    expect(await statusOf(process)).toMatchObject({
      state: 'serving',
      generation: 1,
      generations: [{ number: 1 }, { number: 2 }],
      differs: null,
      problem: {
        code: 'too-old',
        detail: 'A command of job has format 2, which this version of logfold does not know',
        remedy: 'Start the later version here, too',
      },
      next_steps: ['Start the later version here, too'],
    })
  })
})

describe('a view that has generations, and is in no config', () => {
  /** Beside `job`, which the process has in its config, the commands of `old`. */
  async function withOld(world: HostedWorld): Promise<HostedProcess> {
    const process = await started(world)
    const [first] = (await process.state()).generations
    if (first === undefined) throw new Error('It is there')
    await process.send({ command: 'create', view: 'old', generation: 1, pinned: first.pinned, until: 'serving' })
    await process.send({ command: 'create', view: 'old', generation: 2, pinned: { ...first.pinned, backend: 'ring3' }, until: 'ready' })
    await until(() => expect(process.coordination.knowsWhoLives).toBe(true))
    return process
  }

  it('is told with its generations, and with what to do', async () => {
    await using world = await HostedWorld.make()
    const { coordination } = await withOld(world)
    expect(unconfiguredViews(coordination, new Map([['job', undefined]]))).toEqual([
      {
        view: 'old',
        generations: [
          { number: 1, role: 'serving', backend: 'ring2' },
          { number: 2, role: 'next', backend: 'ring3' },
        ],
        next_steps: [
          'old is in no config, and stays in its stores as it is: put it back, with ring2, ring3 among the backends, and it is folded and served on: logfold reload',
        ],
      },
    ])
  })

  it('is not one that another living process has, or may have, or while it is not known who lives', async () => {
    await using world = await HostedWorld.make()
    const { coordination } = await withOld(world)
    let knowsWhoLives = true
    const told = (own: readonly string[], ...views: (readonly string[] | undefined)[]): readonly string[] => {
      const living = views.map((names, nth) => ({
        name: `p${nth}`,
        says: names && { ...presenceRecord(0), views: Object.fromEntries(names.map(name => [name, { canRead: [], reads: [] }])) },
      }))
      const { problem } = coordination
      return unconfiguredViews(
        { problem, control: () => coordination.control(), living: () => living, knowsWhoLives },
        new Map(own.map(name => [name, undefined])),
      ).map(({ view }) => view)
    }
    expect([told([], []), told(['job'], []), told([], [], ['job']), told(['job'], ['job'], ['old'])]).toEqual([['job', 'old'], ['old'], ['old'], []])
    expect(told(['job'], ['job'], undefined)).toEqual([])
    knowsWhoLives = false
    expect(told(['job'], ['job'])).toEqual([])
  })

  it('is told by no process that has just started, and has yet to hear of the others', async () => {
    await using world = await HostedWorld.make()
    await withOld(world)
    const { coordination } = await world.process({ role: 'api' })
    // It has heard of itself alone, say: the others say every 2 s that they live.
    await until(() => expect(coordination.living()).not.toEqual([]))
    expect(unconfiguredViews(coordination, new Map())).toEqual([])
    await until(() => expect(unconfiguredViews(coordination, new Map()).map(({ view }) => view)).toEqual(['old']))
  })
})
