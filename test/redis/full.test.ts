import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { textOf } from '../contract/backend/folding.ts'
import { entriesOf, foundOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { command1, fillWith, useRedis } from './world.ts'

const IDS = Array.from({ length: 2_500 }, (_, number) => `id-${number}`)

/** Above maxmemory Redis refuses whatever is queued in a transaction, be it a read or a deletion. */
describe.each([
  ['a set', generationOf({ ordered: false, partitions: 1 })],
  ['a sorted set', generationOf({ ordered: true, partitions: 1 })],
])('a server above maxmemory, with %s,', (_, generation) => {
  const { ask, open } = useRedis()
  let backend: ViewBackend
  beforeEach(async () => {
    backend = await open()
  })
  afterEach(() => ask('CONFIG', 'SET', 'maxmemory', '0'))

  async function full(): Promise<void> {
    await fillWith(backend, generation, IDS)
    await ask('CONFIG', 'SET', 'maxmemory', '100000')
  }

  it('is read: entries, lists, and what verify looks at', async () => {
    await full()
    expect((await backend.reader(generation).get(['id-1'])).map(textOf)).toEqual(['"id-1"'])
    const seen = await Array.fromAsync(entriesOf(backend.reader(generation), { limit: 1_000 }), ({ id }) => id)
    expect(seen.toSorted()).toEqual(IDS.toSorted())
    const scanned = await Array.fromAsync(foundOf(backend.admin(generation), 'a', { limit: 1_000 }), ({ id }) => id)
    expect(new Set(scanned).size).toBe(IDS.length)
    expect(await backend.admin(generation).stats('a')).toEqual({ entries: IDS.length, bytes: expect.any(Number) })
    expect(await backend.capacity('a')).toEqual({ of: 'memory', usedBytes: expect.any(Number), limitBytes: 100_000 })
    const looked = await backend.admin(generation).look('a', ['id-1', 'no'])
    expect(looked.found.map(({ id, value, listed }) => [id, textOf(value), listed])).toEqual([
      ['id-1', '"id-1"', true],
      ['no', undefined, false],
    ])
  })

  it('is emptied by a drop', async () => {
    await full()
    await expect(backend.admin(generation).serve('a', command1)).rejects.toMatchObject({ message: expect.stringContaining('out of memory') })
    await backend.admin(generation).drop('a')
    expect(await ask('KEYS', '*')).toEqual(['job/fence'])
    expect(await ask('HGETALL', 'job/fence')).toEqual(['dropped:uid of job@1', '1'])
    expect(await backend.admin(generation).open('a')).toBe('dropped')
  })

  it('is emptied by an opening, which ends when there is room', async () => {
    await full()
    await expect(backend.admin(generation).open('a', { anew: true })).rejects.toMatchObject({ message: expect.stringContaining('out of memory') })
    expect(((await ask('KEYS', '*')) as string[]).toSorted()).toEqual(['job@1/checkpoint/0', 'job@1/emptying'])
    await ask('CONFIG', 'SET', 'maxmemory', '0')
    expect(await backend.admin(generation).open('a')).toBe('opened')
    expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'open', checkpoints: [checkpointZero] })
  })
})
