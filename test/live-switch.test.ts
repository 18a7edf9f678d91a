import { describe, expect, it, vi } from 'vitest'
import { COMMAND_FORMAT } from '../src/generations/command.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Log, LogReader } from '../src/model/log.ts'
import { changedLog, fill, fillShard, type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'

const VIEW = 'job'

/** Generation 1 serves, and generation 2, folded up to `vouched`, is there; what folds them is the test. */
async function twoGenerations(world: HostedWorld, vouched = 5): Promise<HostedProcess> {
  const process = await world.process({ role: 'api' })
  await fill(process.live(1), 5)
  await fill(await process.create(2, 'ring3'), vouched)
  await until(() => expect([process.hosted.live.serving().generation.number, process.live(2).vouched()]).toEqual([1, [vouched]]))
  return process
}

const goOver = (process: HostedProcess, generation = 2): Promise<number> =>
  process.send({ command: 'switch', view: VIEW, generation, forced: ['unverified'] })

const served = ({ hosted }: HostedProcess): number | undefined => hosted.live.current?.number

const becomes = (process: HostedProcess, number: number): Promise<void> => until(() => expect(served(process)).toBe(number))

/** Each shard of a generation was looked at again, all of what was known before. */
async function lookedAt(process: HostedProcess, number: number): Promise<void> {
  const live = process.live(number)
  const before = [...live.health().values()]
  live.look()
  await until(() => {
    for (const health of live.health().values()) expect(before).not.toContain(health)
  })
}

describe('reads go over to what serves', () => {
  it('once each of its shards is up; until then they are answered from the one before', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world)
    world.store('ring3').faults('d').away = true
    await until(() => expect(process.live(2).health().get('d')).toMatchObject({ kind: 'away' }))
    await goOver(process)
    await lookedAt(process, 2)
    expect(served(process)).toBe(1)
    expect(process.hosted.says()).toMatchObject({ canRead: [1], reads: [1] })
    world.store('ring3').faults('d').away = false
    await becomes(process, 2)
    expect(process.hosted.says()).toMatchObject({ canRead: [1, 2], reads: [2] })
    expect(process.logger.lines.map(({ message }) => message)).toContain('Reads are answered from another generation')
    const text = await process.metrics.registry.getSingleMetricAsString('logfold_switch_duration_seconds')
    expect(text).toContain('logfold_switch_duration_seconds_count{view="job"} 1')
  })

  it('once it vouches for all that anybody here was told; and asks a store that lags not without a break', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world, 3)
    process.hosted.live.serving().saw('a', [5])
    await until(() => expect(process.live(2).vouched()).toEqual([3]))
    let asked = 0
    const { reader } = process.live(2).source()
    const filled = reader.filled.bind(reader)
    reader.filled = shard => {
      asked++
      return filled(shard)
    }
    await goOver(process)
    const [shard = '', ...others] = process.live(2).state.pinned.shards
    for (const other of others) await fillShard(process.live(2), other, 5)
    await until(() => expect(asked).toBeGreaterThan(30))
    const [atMs, before] = [performance.now(), asked]
    await until(() => expect(asked).toBeGreaterThan(before + 30))
    // Three shards, each at most fifty times a second, with room for what shares the machine.
    expect((asked - before) / (performance.now() - atMs)).toBeLessThan(0.3)
    expect(served(process)).toBe(1)
    await fillShard(process.live(2), shard, 4)
    await lookedAt(process, 2)
    expect(served(process)).toBe(1)
    await fillShard(process.live(2), shard, 5)
    await becomes(process, 2)
  })

  it('at once where the one before is gone, and say then what keeps the new one', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world, 3)
    process.hosted.live.serving().saw('a', [5])
    await goOver(process)
    await process.send({ command: 'complete', view: VIEW, generation: 1 })
    expect(served(process)).toBe(1)
    for (const shard of ['a', 'b']) await world.store('ring2').admin(process.live(1).generation).drop(shard)
    await becomes(process, 2)
    expect(process.hosted.live.serving().generation.number).toBe(2)
    await process.send({ command: 'dropped', view: VIEW, generation: 1, left: [] })
    expect(process.hosted.live.generations.map(({ number }) => number)).toEqual([2])
  })

  it('at once where it was folded from another topic, as nothing that was told means anything there; nor does what is told late of the one before', async () => {
    await using world = await HostedWorld.make()
    const process = await world.process({ role: 'api' })
    await fill(process.live(1), 5)
    await until(() => expect(served(process)).toBe(1))
    await until(() => expect(process.hosted.live.unready()).toBe(undefined))
    process.hosted.live.serving().saw('a', [5])
    const before = process.hosted.live.serving()
    await world.put({ one: '1' }, 'other')
    const moved = await world.process({ role: 'api', config: { topic: 'other' } })
    await fill(await moved.create(2, 'ring3'), 1)
    await until(() => expect(process.live(2).unreadable()).toBe(undefined))
    await goOver(process)
    await becomes(process, 2)
    // A request that began on the one before ends only now.
    before.saw('a', [5])
    process.hosted.live.serving().saw('c', [1])
    await process.send({ command: 'complete', view: VIEW, generation: 1 })
    await process.send({ command: 'dropped', view: VIEW, generation: 1, left: [] })
    // It sends by what it has folded.
    await moved.state()
    await fill(await moved.create(3, 'ring2'), 1)
    await until(() => expect(process.live(3).unreadable()).toBe(undefined))
    await goOver(process, 3)
    await becomes(process, 3)
  })

  it('once the one before has left for a minute, as it is fed no more: and say then what keeps the new one', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world)
    for (const shard of ['c', 'd', 'e']) world.store('ring3').faults(shard).away = true
    await until(() => expect([...process.live(2).health().values()].map(({ kind }) => kind)).toEqual(['away', 'away', 'away']))
    await goOver(process)
    const timers = vi.spyOn(globalThis, 'setTimeout')
    await process.send({ command: 'complete', view: VIEW, generation: 1 })
    const minute = timers.mock.calls.find(([, ms]) => ms === 60_000)?.[0]
    timers.mockRestore()
    await lookedAt(process, 1)
    expect(served(process)).toBe(1)
    minute?.()
    await becomes(process, 2)
    expect(process.hosted.says()).toMatchObject({ canRead: [1], reads: [2] })
    expect(() => process.hosted.live.serving()).toThrow('does not answer')
  })

  it('back again where it was reversed before this process went over', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world)
    world.store('ring3').faults('c').away = true
    await until(() => expect(process.live(2).unreadable()).toBeDefined())
    await goOver(process)
    await process.send({ command: 'reverse', view: VIEW, generation: 1 })
    world.store('ring3').faults('c').away = false
    await until(() => expect(process.live(2).unreadable()).toBe(undefined))
    expect(served(process)).toBe(1)
  })
})

describe('a process that starts while others go over', () => {
  it('reads from what serves, as it has told nobody anything', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world, 3)
    process.hosted.live.serving().saw('a', [5])
    await goOver(process)
    const late = await world.process({ role: 'api' })
    await becomes(late, 2)
    await until(() => expect(late.hosted.live.unready()).toBe(undefined))
    expect(served(process)).toBe(1)
  })

  it('says that it can read a generation only once each of its shards was looked at', async () => {
    await using world = await HostedWorld.make()
    const process = await twoGenerations(world)
    const { release, reached } = world.store('ring3').faults('d').hold()
    const late = await world.start({ role: 'api' })
    const said: (readonly number[])[] = []
    late.hosted.live.onChange(() => said.push(late.hosted.says().canRead))
    await late.hosted.live.known()
    await Promise.all([late.live(2).connected(), reached])
    await until(() => expect(late.hosted.says().canRead).toEqual([1]))
    expect(said.flat()).not.toContain(2)
    release()
    await until(() => expect(late.hosted.says().canRead).toEqual([1, 2]))
    await process.close()
  })
})

const textOf = (value: Uint8Array | undefined): string | undefined => (value === undefined ? undefined : Buffer.from(value).toString())

/** A log whose control topic, at a word, can no longer be read. */
function endingControl(log: Log): { readonly log: Log; readonly end: (error: Error) => void } {
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => undefined)
  const reader = (...args: Parameters<Log['reader']>): LogReader => {
    const inner = log.reader(...args)
    if (args[0].name !== 'logfold.control') return inner
    return { next: waitMs => Promise.race([inner.next(waitMs), ended.promise]), close: () => inner.close() }
  }
  return { log: changedLog(log, { reader }), end: ended.reject }
}

describe('a control topic that can no longer be read', () => {
  it('is a safety stop of all views: nothing is folded or kept any more, and what is there goes on being read', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    let end = (_: Error): void => undefined
    const process = await world.process({
      through: log => {
        const ending = endingControl(log)
        end = ending.end
        return ending.log
      },
    })
    const { hosted } = process
    await until(() => expect(hosted.live.unready()).toBe(undefined))
    await until(() => expect([hosted.keeps, hosted.feeds?.pipeline(1) !== undefined]).toEqual([true, true]))
    end(new LogfoldError('offset-out-of-range', 'It was cut', { remedy: 'Bring it back' }))
    await until(() => expect(hosted.live.stopped).toMatchObject({ code: 'view-stopped', message: 'It was cut', remedy: 'Bring it back' }))
    await until(() => expect([hosted.keeps, hosted.feeds?.pipeline(1)]).toEqual([false, undefined]))
    await world.put({ two: '2' })
    const { reader } = hosted.live.serving()
    expect((await reader.get(['one', 'two'])).map(textOf)).toEqual(['1', undefined])
    expect(() => hosted.live.state()).toThrow('It was cut')
  })
})

describe('a command of a later version', () => {
  it('halts what is known of the view, which goes on being served and folded', async () => {
    await using world = await HostedWorld.make()
    await world.put({ one: '1' })
    const process = await world.process()
    await until(() => expect(process.hosted.live.unready()).toBe(undefined))
    const control = process.coordination.control()
    const newer = { format: COMMAND_FORMAT + 1, view: VIEW, after: control.state(VIEW).last }
    await world.log.writer(control.topic).append([{ partition: 0, key: Buffer.from('k'), value: Buffer.from(JSON.stringify(newer)) }], 5_000)
    expect((await process.state()).halted).toMatchObject({ format: COMMAND_FORMAT + 1 })
    const { position } = control
    await expect(goOver(process)).rejects.toThrow('halted')
    await process.state()
    expect(control.position).toBe(position)
    await world.put({ two: '2' })
    const { reader } = process.hosted.live.serving()
    await until(async () => expect((await reader.get(['two'])).map(textOf)).toEqual(['2']))
    expect(process.hosted.live.stopped).toBe(undefined)
    expect(process.logger.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'A later version of logfold is at work on this view: this one goes on with what it knows',
    ])
  })
})
