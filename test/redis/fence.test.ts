import { beforeEach, describe, expect, it } from 'vitest'
import { identityOf } from '../../src/model/generation.ts'
import type { CommandPlace, ViewAdmin, ViewBackend } from '../../src/model/view-backend.ts'
import { generationOf } from '../contract/backend/store.ts'
import { command1, command2, fillWith, useRedis } from './world.ts'

const first = generationOf({ number: 1, ordered: false, partitions: 1 })
const second = generationOf({ number: 2, ordered: false, partitions: 1 })

describe('the fence of a view on a shard', () => {
  const { ask, open } = useRedis()
  let backend: ViewBackend
  let admins: readonly [ViewAdmin, ViewAdmin]
  const keys = async (): Promise<readonly string[]> => ((await ask('KEYS', '*')) as string[]).toSorted()
  beforeEach(async () => {
    backend = await open()
    admins = [backend.admin(first), backend.admin(second)]
  })

  it('keeps what was dropped closed, whatever stands there, and that alone', async () => {
    const [admin, other] = admins
    await fillWith(backend, first, ['one'])
    await admin.drop('a')
    for (const anew of [false, true]) expect(await admin.open('a', { anew })).toBe('dropped')
    expect(await keys()).toEqual(['job/fence'])
    // As from a snapshot of its keys alone.
    const identity = JSON.stringify(identityOf(first, 'a'))
    await ask('MSET', 'job@1/identity', identity, 'job@1:one', '1')
    expect(await admin.open('a')).toBe('dropped')
    expect(await ask('GET', 'job@1/identity')).toBe(identity)
    await admin.drop('a')
    expect(await keys()).toEqual(['job/fence'])
    expect(await other.open('a')).toBe('opened')
    expect(await backend.admin({ ...first, uid: 'another' }).open('a')).toBe('opened')
    expect(await backend.admin(generationOf({ view: 'jobs', number: 1 })).open('a')).toBe('opened')
  })

  it('takes in a generation that was never opened there, or is lost', async () => {
    const [admin] = admins
    await admin.drop('a')
    expect(await admin.open('a')).toBe('dropped')
    await fillWith(backend, second, ['one'])
    await ask('DEL', 'job@2/identity')
    await backend.admin(second).drop('a')
    expect(await backend.admin(second).open('a')).toBe('dropped')
    expect(await keys()).toEqual(['job/fence'])
  })

  it('takes in one whose name another holds, and leaves the other, and what shows it, alone', async () => {
    const another = { ...first, uid: 'another' }
    await fillWith(backend, another, ['one'])
    await backend.admin(another).serve('a', command1)
    const before = await keys()
    await admins[0].drop('a')
    expect(await keys()).toEqual(before)
    expect(await ask('GET', 'job/serving')).toBe('job@1')
    expect(await ask('HKEYS', 'job/fence')).toEqual(['served', 'dropped:uid of job@1'])
    expect(await backend.reader(another).filled('a')).toBe(true)
    expect(await admins[0].open('a')).toBe('dropped')
  })

  it('lets nobody show what people were led away from: by the same topic’s newer commands, not by another’s', async () => {
    await fillWith(backend, first, [])
    await fillWith(backend, second, [])
    const other: CommandPlace = { topicId: 'other', offset: 0 }
    const large: CommandPlace = { topicId: 'other', offset: Number.MAX_SAFE_INTEGER }
    const steps = [
      [0, command2, 'shown', 'job@1'],
      [1, command1, 'outdated', 'job@1'],
      [1, command2, 'shown', 'job@2'],
      [1, command2, 'shown', 'job@2'],
      [0, command1, 'outdated', 'job@2'],
      [0, other, 'shown', 'job@1'],
      [1, command1, 'shown', 'job@2'],
      [0, large, 'shown', 'job@1'],
      [1, { ...large, offset: large.offset - 1 }, 'outdated', 'job@1'],
    ] as const
    for (const [at, since, outcome, shown] of steps) {
      const served = await ask('HGET', 'job/fence', 'served')
      expect(await admins[at].serve('a', since)).toBe(outcome)
      expect(await ask('GET', 'job/serving')).toBe(shown)
      expect(await ask('HGET', 'job/fence', 'served')).toBe(outcome === 'shown' ? JSON.stringify(since) : served)
      expect(await admins[0].marks('a')).toEqual({ filled: true, shown: shown === 'job@1' })
      expect(await admins[1].marks('a')).toEqual({ filled: true, shown: shown === 'job@2' })
    }
  })

  it('outlasts what is served; a drop takes away only what shows the dropped one', async () => {
    await fillWith(backend, first, [])
    await fillWith(backend, second, [])
    await admins[1].serve('a', command2)
    await admins[0].drop('a')
    expect(await ask('GET', 'job/serving')).toBe('job@2')
    await admins[1].drop('a')
    expect(await keys()).toEqual(['job/fence'])
    const third = generationOf({ number: 3 })
    await fillWith(backend, third, [])
    expect(await backend.admin(third).serve('a', command1)).toBe('outdated')
    expect(await ask('EXISTS', 'job/serving')).toBe(0)
  })

  it.each(['', 'rubbish', '[]', '{}', 'null', '{"topicId":"control","offset":"9"}'])('with %j for the last command takes any', async text => {
    await fillWith(backend, first, [])
    await ask('HSET', 'job/fence', 'served', text)
    expect(await admins[0].serve('a', command1)).toBe('shown')
    expect(await ask('HGET', 'job/fence', 'served')).toBe(JSON.stringify(command1))
  })

  it('that is something else is an outage that says so, and nothing is done', async () => {
    await fillWith(backend, first, ['one'])
    await ask('SET', 'job/fence', 'no hash')
    const before = await keys()
    const cause = { code: 'view-unavailable', message: expect.stringContaining('WRONGTYPE'), remedy: expect.stringContaining('fence') }
    const [admin] = admins
    await expect(admin.open('a', { anew: true })).rejects.toMatchObject(cause)
    await expect(admin.serve('a', command1)).rejects.toMatchObject(cause)
    await expect(admin.drop('a')).rejects.toMatchObject(cause)
    expect(await keys()).toEqual(before)
  })

  it('is kept for good, though somebody gave it a time to live', async () => {
    await fillWith(backend, first, [])
    await admins[0].serve('a', command1)
    await ask('EXPIRE', 'job/fence', '1000')
    await admins[0].drop('a')
    expect(await ask('TTL', 'job/fence')).toBe(-1)
  })
})
