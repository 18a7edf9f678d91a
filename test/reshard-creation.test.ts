import { describe, expect, it } from 'vitest'
import { generationOf } from '../src/generations/definition.ts'
import type { Ordered } from '../src/reshard/orders.ts'
import { pinned } from './support/commands.ts'
import { served } from './support/reshard-steps.ts'
import { ReshardWorld, type TestProcess } from './support/reshard-world.ts'

const failing = ({ checks }: Ordered): readonly string[] => checks.filter(({ ok }) => !ok).map(({ name }) => name)

/** Something else stands on this shard under the name. */
const occupied = (world: ReshardWorld, backend: string, shard: string, number: number): Promise<unknown> =>
  world
    .store(backend)
    .admin(generationOf('job', { number, createdAt: 7, pinned }, 'elsewhere'))
    .open(shard)

const lastCreated = async (process: TestProcess): Promise<unknown> => (await process.state()).generations.at(-1)

describe('a generation that is made', () => {
  it('is by the definition of the config: where the operator says, where the config says, or where it serves', async () => {
    await using world = await ReshardWorld.make()
    await served(world)
    const changed = await world.process({ config: { ordered: true, projection: '({ value }) => value' } })
    expect(await changed.ask('rebuild')).toMatchObject({ generation: 2, outcome: 'accepted' })
    expect(await lastCreated(changed)).toMatchObject({
      until: 'serving',
      pinned: { backend: 'ring2', ordered: true, projection: '({ value }) => value' },
    })
    await changed.ask('cancel')
    const moved = await world.process({ config: { backend: 'ring3' } })
    expect(await moved.ask('create', { until: 'completed' })).toMatchObject({ generation: 3, outcome: 'accepted' })
    expect(await lastCreated(moved)).toMatchObject({ until: 'completed', pinned: { backend: 'ring3', shards: ['a', 'b', 'c'], ordered: false } })
    await moved.ask('cancel')
    expect(await moved.ask('rebuild')).toMatchObject({ generation: 4, outcome: 'accepted' })
    expect(await lastCreated(moved)).toMatchObject({ until: 'serving', pinned: { backend: 'ring2', shards: ['a', 'b'] } })
  })

  it('is none where nothing would differ, but by a rebuild', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    for (const to of [undefined, 'ring2']) {
      await expect(process.ask('create', { to })).rejects.toMatchObject({
        code: 'command-refused',
        errors: [{ pointer: 'nothing-differs', detail: 'job@1 stands on ring2 already, by this very definition' }],
        remedy: expect.stringContaining('logfold rebuild job'),
      })
    }
    expect(await process.ask('rebuild')).toMatchObject({ outcome: 'accepted' })
  })

  it('takes the backend as the config has it now, whatever shards it had', async () => {
    await using world = await ReshardWorld.make()
    await served(world)
    const grown = await world.process({ backends: { ring2: ['a', 'b', 'c'] } })
    expect(await grown.ask('create', { dryRun: true })).toMatchObject({
      outcome: 'would',
      checks: expect.arrayContaining([expect.objectContaining({ name: 'backend-unknown', ok: false })]),
      plan: { to: { backend: 'ring2', shards: [{ shard: 'a' }, { shard: 'b' }, { shard: 'c' }] } },
    })
  })

  it('needs a backend that the config has, and that every process has', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    await expect(process.ask('create', { to: 'rink3' })).rejects.toMatchObject({
      code: 'backend-unknown',
      message: 'The config has no backend rink3. Did you mean "ring3"?',
      remedy: 'Name one that the config has, or add it there: ring2, ring3',
    })
    await expect(process.ask('create', { to: 'constructor' })).rejects.toMatchObject({ code: 'backend-unknown' })
    const poor = await world.process({ role: 'api', backends: { ring2: ['a', 'b'], ring3: ['a'] } })
    const dry = await process.ask('create', { to: 'ring3', dryRun: true })
    expect(failing(dry)).toEqual(['backend-unknown'])
    expect(dry.checks.find(({ ok }) => !ok)?.detail).toMatch(/^Not every process has the backend ring3 in its config: here\/\d+ \(no shard b, c\)$/)
    await poor.close()
    expect(await process.ask('create', { to: 'ring3' })).toMatchObject({ outcome: 'accepted' })
  })

  it('gets the next number under which no shard of its backend holds anything', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    await occupied(world, 'ring3', 'c', 2)
    await occupied(world, 'ring3', 'a', 3)
    await occupied(world, 'ring2', 'a', 4)
    const answer = await process.ask('create', { to: 'ring3' })
    expect(answer).toMatchObject({ generation: 4, outcome: 'accepted' })
    expect(answer.checks.find(({ name }) => name === 'number-free')?.detail).toBe(
      'No shard of ring3 holds a job@4; what stands there as job@2, job@3 is something else, and is left alone',
    )
    expect(await process.roles()).toEqual({ 1: 'serving', 4: 'next' })
  })

  it('is refused while a shard does not say what it holds, another is built, and the definition is too long: all of it at once', async () => {
    await using world = await ReshardWorld.make()
    const process = await served(world)
    await process.ask('create', { to: 'ring3' })
    world.store('ring3').faults('b').away = true
    const long = await world.process({ config: { jsonSchema: { description: 'x'.repeat(768 * 1024) } } })
    await expect(long.ask('create', { to: 'ring3', force: ['not-ready', 'unverified', 'readers', 'left'] })).rejects.toMatchObject({
      code: 'command-refused',
      errors: [{ pointer: 'two-alive' }, { pointer: 'number-free', detail: expect.stringContaining('b: ') }, { pointer: 'too-large' }],
      remedy: expect.stringContaining('logfold reshard cancel job'),
    })
    expect(await process.roles()).toEqual({ 1: 'serving', 2: 'next' })
  })

  it('is not made by a dry run, nor is its topic; nor is that where something speaks against it', async () => {
    await using world = await ReshardWorld.make()
    await served(world)
    const other = await world.process({ config: { topic: 'work', create: true } })
    const dry = await other.ask('create', { dryRun: true })
    expect(dry).toMatchObject({ generation: 2, outcome: 'would', plan: { generation: 2, records: 0 } })
    expect(failing(dry)).toEqual([])
    expect((await other.state()).highest).toBe(1)
    await expect(world.log.topic({ name: 'work', partitions: 2, replication: 1, create: false })).rejects.toMatchObject({ code: 'topic-missing' })
    world.store('ring2').faults('a').away = true
    await expect(other.ask('create')).rejects.toMatchObject({ errors: [{ pointer: 'number-free' }] })
    await expect(world.log.topic({ name: 'work', partitions: 2, replication: 1, create: false })).rejects.toMatchObject({ code: 'topic-missing' })
    world.store('ring2').faults('a').away = false
    expect(await other.ask('create')).toMatchObject({ outcome: 'accepted' })
    expect(await lastCreated(other)).toMatchObject({ pinned: { topic: 'work', partitions: 2, topicId: expect.stringMatching(/./) } })
  })
})
