import { describe, expect, it } from 'vitest'
import { COMMAND_FORMAT } from '../src/generations/command.ts'
import { viewStatus } from '../src/status.ts'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'

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
