import { describe, expect, it, vi } from 'vitest'
import { MemoryAdmin } from '../backends/memory/operations.ts'
import type { Until } from '../src/model/until.ts'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'

const VIEW = 'job'

/** A process that keeps the view, whose generation 1 is filled, and beside it generation 2, on its way to here. */
async function keptNext(world: HostedWorld, goes: Until = 'ready'): Promise<HostedProcess> {
  await world.put({ one: '1', two: '2', three: '3' })
  const process = await world.process()
  await until(() => expect(process.live(1).unreadable()).toBe(undefined))
  const live = await process.create(2, 'ring3', goes)
  await until(() => expect(live.unreadable()).toBe(undefined))
  return process
}

const rolesAre = (process: HostedProcess, roles: Readonly<Record<number, string>>): Promise<void> =>
  until(async () => expect(await process.roles()).toEqual(roles))

/** Holds back the answers of what is asked from now on: `begun` settles with the first question; `end` lets all go on, and settles with the first answer. */
class Held {
  readonly #begun = Promise.withResolvers<void>()
  readonly #go = Promise.withResolvers<void>()
  readonly #answered = Promise.withResolvers<void>()
  readonly begun = this.#begun.promise

  async answer<T>(real: () => Promise<T>): Promise<T> {
    this.#begun.resolve()
    await this.#go.promise
    const answer = await real()
    this.#answered.resolve()
    return answer
  }

  async end(): Promise<void> {
    this.#go.resolve()
    await this.#answered.promise
  }
}

describe('a command that comes while the keeper looks whether it may go on', () => {
  it('is heeded: what was paused is not gone over to', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'verified')
    await until(async () => expect((await process.state()).generations[1]?.verification).toMatchObject({ differences: 0 }))
    const presence = process.coordination.presence()
    const looks = new Held()
    const certainlyLiving = presence.certainlyLiving.bind(presence)
    vi.spyOn(presence, 'certainlyLiving').mockImplementation(signal => looks.answer(() => certainlyLiving(signal)))
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'serving' })
    await looks.begun
    await process.send({ command: 'steer', view: VIEW, generation: 2, paused: true })
    const send = vi.spyOn(process.coordination.control(), 'send')
    await looks.end()
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
    expect(send).not.toHaveBeenCalled()
  })

  it('is heeded: what served before stays where it is not to be completed any more', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world, 'serving')
    await rolesAre(process, { 1: 'previous', 2: 'serving' })
    const looks = new Held()
    const endOffsets = world.log.endOffsets.bind(world.log)
    vi.spyOn(world.log, 'endOffsets').mockImplementation(topic => (topic.name === VIEW ? looks.answer(() => endOffsets(topic)) : endOffsets(topic)))
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'completed' })
    await looks.begun
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'serving' })
    const send = vi.spyOn(process.coordination.control(), 'send')
    await looks.end()
    expect(await process.roles()).toEqual({ 1: 'previous', 2: 'serving' })
    expect(send).not.toHaveBeenCalled()
  })

  it('ends a verification that is about to begin, as the end of the process does', async () => {
    await using world = await HostedWorld.make()
    const process = await keptNext(world)
    await world.put(Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`id-${at}`, '1'])))
    const verify = process.hosted.verifyOf(process.live(2))
    const slow = verify.start.bind(verify)
    verify.start = request => slow({ ...request, rate: 1 })
    const looks = new Held()
    const { opening } = MemoryAdmin.prototype
    using _ = vi.spyOn(MemoryAdmin.prototype, 'opening').mockImplementation(function (this: MemoryAdmin, shard) {
      return looks.answer(() => opening.call(this, shard))
    })
    await process.send({ command: 'steer', view: VIEW, generation: 2, until: 'verified' })
    await looks.begun
    const closing = process.close()
    await looks.end()
    await closing
    expect(verify.status()?.phase).toBe('cancelled')
  })
})
