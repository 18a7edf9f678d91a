import { beforeEach, describe, expect, it } from 'vitest'
import redis from '../../backends/redis/index.ts'
import { Ring } from '../../backends/redis/ring.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { textOf } from '../contract/backend/folding.ts'
import { entriesOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { quiet } from '../support/quiet.ts'
import { command } from '../support/redis-command.ts'
import { command1, command2, configOf, connect, dropAll, fillWith, serveAll, useRedis } from './world.ts'

const IDS = Array.from({ length: 400 }, (_, number) => `id-${number}`)
const [first, second] = [generationOf({ number: 1 }), generationOf({ number: 2, ordered: false })]

/** What a reshard makes: the former generation goes on with the shards that it was made for, beside the new one with more. */
describe('two rings on the same servers, with the same prefix', () => {
  const { address, open } = useRedis({ servers: 4 })
  const config = () => configOf({ a: address(0), b: address(1), c: address(2), d: address(3) }, { keyPrefix: 'app:' })
  let three: ViewBackend
  let four: ViewBackend
  beforeEach(async () => {
    four = await open(config())
    three = await open(config(), ['a', 'b', 'c'])
  })

  const serving = (): Promise<unknown> => Promise.all([0, 1, 2, 3].map(nth => command(address(nth), 'GET', 'app:job/serving')))
  const keysOn = async (nth: number, of: string): Promise<readonly string[]> => (await command(address(nth), 'KEYS', of)) as string[]
  async function expectWhole(backend: ViewBackend, generation: Generation): Promise<void> {
    const seen = await Array.fromAsync(entriesOf(backend.reader(generation), { limit: 100 }), ({ id }) => id)
    expect(seen.toSorted()).toEqual(IDS.toSorted())
    expect((await backend.reader(generation).get(IDS)).map(textOf)).toEqual(IDS.map(id => JSON.stringify(id)))
  }

  it('are made of exactly the shards they are told, in that order', async () => {
    expect(redis.shards(config())).toEqual(['a', 'b', 'c', 'd'])
    expect(four.shards).toEqual(['a', 'b', 'c', 'd'])
    expect(three.shards).toEqual(['a', 'b', 'c'])
    expect((await open(config(), ['d', 'a'])).shards).toEqual(['d', 'a'])
    for (const backend of [three, four]) {
      const ring = new Ring(backend.shards)
      expect(IDS.map(id => backend.owner(id))).toEqual(IDS.map(id => ring.owner(id)))
    }
    await expect(three.ping('d')).rejects.toMatchObject({ code: 'internal' })
    await expect(connect(config(), quiet, ['a', 'e'])).rejects.toMatchObject({ code: 'internal' })
    await expect(connect(config(), quiet, ['toString'])).rejects.toMatchObject({ code: 'internal' })
  })

  it('ask only the servers of their own shards', async () => {
    await fillWith(three, first, IDS)
    await dropAll(three, generationOf({ number: 3 }))
    expect(await keysOn(3, '*')).toEqual([])
    expect(await command(address(3), 'CLIENT', 'LIST')).not.toContain('name=logfold')
  })

  it('are filled, shown and dropped each for itself', async () => {
    await fillWith(three, first, IDS)
    await fillWith(four, second, IDS)
    await serveAll(three, first, command1)
    expect(await serving()).toEqual(['job@1', 'job@1', 'job@1', null])
    await serveAll(four, second, command2)
    expect(await serving()).toEqual(['job@2', 'job@2', 'job@2', 'job@2'])
    for (const shard of three.shards) expect(await three.admin(first).serve(shard, command1)).toBe('outdated')
    await expectWhole(three, first)
    await dropAll(three, first)
    expect(await serving()).toEqual(['job@2', 'job@2', 'job@2', 'job@2'])
    await expectWhole(four, second)
    for (const nth of [0, 1, 2, 3]) expect(await keysOn(nth, 'app:job@1*')).toEqual([])
    for (const shard of three.shards) expect(await three.admin(first).open(shard)).toBe('dropped')
    for (const shard of four.shards) expect(await four.admin(second).open(shard)).toBe('kept')
  })

  it('go back to the smaller one, and leave nothing of the larger one', async () => {
    await fillWith(three, first, IDS)
    await fillWith(four, second, IDS)
    await serveAll(four, second, command1)
    await serveAll(three, first, command2)
    await dropAll(four, second)
    expect(await serving()).toEqual(['job@1', 'job@1', 'job@1', null])
    await expectWhole(three, first)
    for (const nth of [0, 1, 2, 3]) expect(await keysOn(nth, 'app:job@2*')).toEqual([])
    expect(await keysOn(3, '*')).toEqual(['app:job/fence'])
  })
})
