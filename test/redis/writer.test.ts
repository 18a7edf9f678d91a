import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { namesOf } from '../../backends/redis/names.ts'
import { RedisWriter } from '../../backends/redis/writer.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { fillWith, HookedShard, useRedis } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })

describe('a batch', () => {
  const { address, ask, open } = useRedis()
  let backend: ViewBackend
  let shard: HookedShard
  let writer: RedisWriter
  beforeAll(() => {
    shard = new HookedShard(address())
    writer = new RedisWriter(shard.shards, namesOf('', generation), generation)
  })
  beforeEach(async () => {
    backend = await open()
  })
  afterEach(() => {
    shard.beforeSending = () => undefined
  })
  afterAll(() => shard.close())

  const given = batch(0, 1, 2, [set('two', '2')])
  const cut = (): never => {
    throw new LogfoldError('view-unavailable', 'The connection was cut')
  }

  it('that was written by half is lost with its checkpoint, though the first to take that away was cut off', async () => {
    await fillWith(backend, generation, ['one'])
    shard.beforeSending = nth => (nth === 1 ? ask('SET', 'job@1/keys', 'x') : nth === 2 ? cut() : undefined)
    expect(await writer.apply('a', given)).toMatchObject({ kind: 'unavailable' })
    shard.beforeSending = () => cut()
    expect(await writer.apply('a', given)).toMatchObject({ kind: 'unavailable' })
    shard.beforeSending = () => undefined
    expect(await writer.apply('a', given)).toEqual({ kind: 'lost' })
    expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'lost' })
    expect(await backend.admin(generation).open('a')).toBe('opened')
    expect(await writer.apply('a', { ...given, from: 0, vouched: 0 })).toEqual({ kind: 'applied' })
  })

  it('that cannot be written down is an error of its own, though the server is away; the next has a connection without a past', async () => {
    await fillWith(backend, generation, ['one'])
    const broken = { ...given, ops: [{ ...given.ops[0], value: undefined }] } as unknown as typeof given
    shard.beforeSending = () => Promise.reject(new LogfoldError('view-unavailable', 'The connection was cut'))
    await expect(writer.apply('a', broken)).rejects.toThrow(TypeError)
    shard.beforeSending = () => undefined
    await expect(writer.apply('a', broken)).rejects.toThrow(TypeError)
    expect(await writer.apply('a', given)).toEqual({ kind: 'applied' })
    expect(await writer.apply('a', given)).toEqual({ kind: 'elsewhere', checkpoint: at(2) })
    expect((await backend.reader(generation).get(['one', 'two'])).map(textOf)).toEqual(['"one"', '2'])
  })
})
