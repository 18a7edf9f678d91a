import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RedisAdmin } from '../../backends/redis/admin.ts'
import { namesOf } from '../../backends/redis/names.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { command1, fillWith, flush, HookedShard, useRedis } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })
/** Of some steps of SCAN at least, with those of others. */
const IDS = Array.from({ length: 600 }, (_, number) => `id-${number}`)
const OTHERS = Array.from({ length: 1_900 }, (_, number) => [`other:${number}`, '1']).flat()
const EMPTY = ['job@1/checkpoint/0', 'job@1/identity', 'job@1/opening']

/** An entry that the ids don't name any more is found by nobody but whoever opens the shard again. If it stays, it comes back as if it had never been deleted. */
describe('entries that the ids do not name', () => {
  const { address, ask, open } = useRedis()
  let backend: ViewBackend
  let shard: HookedShard
  let admin: RedisAdmin
  const keys = async (): Promise<readonly string[]> => ((await ask('KEYS', 'job*')) as string[]).toSorted()
  beforeAll(() => {
    shard = new HookedShard(address())
    admin = new RedisAdmin(shard.shards, namesOf('', generation), generation)
  })
  beforeEach(async () => {
    backend = await open()
  })
  afterEach(() => {
    shard.beforeSending = () => undefined
  })
  afterAll(() => shard.close())

  /** How a shard came to be lost. */
  const losses = [
    ['the ids and the identity were deleted', () => ask('DEL', 'job@1/keys', 'job@1/identity')],
    [
      'the ids became something else, and the identity was deleted',
      () => ask('EVAL', "redis.call('SET', 'job@1/keys', 'x') redis.call('DEL', 'job@1/identity')", '0'),
    ],
    ['a checkpoint and the ids were deleted', () => ask('DEL', 'job@1/keys', 'job@1/checkpoint/0')],
  ] as const

  it.each(losses)('are gone when the opening was cut off before any of its requests, where %s', async (_, lose) => {
    let cutAt = 0
    for (let whole = false; !whole; cutAt++) {
      await ask('MSET', ...OTHERS)
      await fillWith(backend, generation, IDS)
      await lose()
      shard.beforeSending = nth => {
        if (nth === cutAt) throw new LogfoldError('view-unavailable', 'The connection was cut')
      }
      whole = await admin.open('a').then(
        () => true,
        () => false,
      )
      await backend.admin(generation).open('a')
      expect(await keys()).toEqual(EMPTY)
      expect(await ask('DBSIZE')).toBe(EMPTY.length + OTHERS.length / 2)
      await flush(address())
    }
    expect(cutAt).toBeGreaterThan(5)
  })

  it.each(losses)('are gone when another opens the shard before any of the requests, where %s', async (_, lose) => {
    for (let pausedAt = 0; pausedAt < 9; pausedAt++) {
      await ask('MSET', ...OTHERS)
      await fillWith(backend, generation, [...IDS, 'one', 'gone'])
      await lose()
      shard.beforeSending = async nth => {
        if (nth !== pausedAt) return
        await backend.admin(generation).open('a')
        await backend.writer(generation).apply('a', batch(0, 0, 1, [set('one', '1')]))
        await markFilled(backend.admin(generation), 'a')
      }
      expect(['opened', 'kept']).toContain(await admin.open('a'))
      if ((await keys()).length > EMPTY.length) {
        expect((await backend.reader(generation).get(['one', 'gone'])).map(textOf)).toEqual(['1', undefined])
        expect(await keys()).toEqual([...EMPTY, 'job@1/filled', 'job@1/keys', 'job@1:one'].toSorted())
      } else expect(await keys()).toEqual(EMPTY)
      await flush(address())
    }
  })

  it('of a shard whose checkpoint came back meanwhile are not taken away from whoever opened it', async () => {
    await fillWith(backend, generation, ['one'])
    await ask('DEL', 'job@1/checkpoint/0')
    shard.beforeSending = async nth => {
      if (nth === 1) await fillWith(backend, generation, ['two'])
    }
    expect(await admin.open('a')).toBe('kept')
    expect((await backend.reader(generation).get(['one', 'two'])).map(textOf)).toEqual([undefined, '"two"'])
  })

  it('are dropped, too, where the key of the ids holds something else', async () => {
    await fillWith(backend, generation, ['one'])
    await ask('SET', 'job@1/keys', 'x')
    await backend.admin(generation).drop('a')
    expect(await keys()).toEqual(['job/fence'])
  })

  it('are not said to serve where the identity went while it was made to serve', async () => {
    await fillWith(backend, generation, ['one'])
    shard.beforeSending = nth => (nth === 1 ? ask('DEL', 'job@1/identity') : undefined)
    await expect(admin.serve('a', command1)).rejects.toMatchObject({ code: 'view-lost' })
    expect(await ask('EXISTS', 'job/serving')).toBe(0)
  })
})
