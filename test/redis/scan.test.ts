import { beforeEach, describe, expect, it } from 'vitest'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, del, set, textOf } from '../contract/backend/folding.ts'
import { scanPagesOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { configOf, connect, fillWith, useRedis } from './world.ts'

const unordered = generationOf({ ordered: false })
const ordered = generationOf({ ordered: true })
const both = [
  ['a set', unordered],
  ['a sorted set', ordered],
] as const

type Seen = readonly [id: string, value: string | undefined, listed: boolean]

describe('scan and look', () => {
  const { address, ask, open, server } = useRedis({ config: { appendonly: 'yes', appendfsync: 'always' } })
  let backend: ViewBackend
  beforeEach(async () => {
    backend = await open()
  })

  /** All pages of one shard; how often each is given isn't promised. */
  async function scanned(generation: Generation, limit = 1_000, between: (page: number) => Promise<void> = async () => undefined, of = backend) {
    const seen = new Map<string, Seen>()
    let pages = 0
    for await (const page of scanPagesOf(of.admin(generation), 'a', { limit })) {
      for (const { id, value, listed } of page) seen.set(id, [id, textOf(value), listed])
      await between(++pages)
    }
    return [...seen.values()].toSorted(([one], [other]) => (one < other ? -1 : 1))
  }

  const looked = async (generation: Generation, ids: readonly string[]): Promise<readonly Seen[]> =>
    (await backend.admin(generation).look('a', ids)).found.map(({ id, value, listed }) => [id, textOf(value), listed])

  it.each(both)('find a value without its place in the list, and a place without its value, in %s', async (_, generation) => {
    await fillWith(backend, generation, ['a', 'b', 'c'])
    await ask('DEL', 'job@1:a')
    await ask(generation.ordered ? 'ZREM' : 'SREM', 'job@1/keys', 'b')
    await ask('SET', 'job@1:ghost', '')
    await ask(generation.ordered ? 'ZADD' : 'SADD', 'job@1/keys', ...(generation.ordered ? ['0'] : []), 'place')
    const expected: readonly Seen[] = [
      ['a', undefined, true],
      ['b', '"b"', false],
      ['c', '"c"', true],
      ['ghost', '', false],
      ['place', undefined, true],
    ]
    for (const limit of [1, 2, 1_000]) expect(await scanned(generation, limit)).toEqual(expected)
    expect(await looked(generation, ['place', 'ghost', 'c', 'b', 'a', 'no'])).toEqual([...expected.toReversed(), ['no', undefined, false]])
  })

  it.each(both)('find a place whose key holds something else than a value, in %s; a repair mends it', async (_, generation) => {
    await fillWith(backend, generation, ['a', 'b', 'c', 'd', 'e', 'f'])
    await ask('DEL', 'job@1:b')
    await ask('LPUSH', 'job@1:b', 'x')
    await ask('HSET', 'job@1:neither', 'x', 'y')
    const others = ['a', 'c', 'd', 'e', 'f'].map((id): Seen => [id, `"${id}"`, true])
    expect(await scanned(generation)).toEqual([['b', undefined, true] satisfies Seen, ...others].toSorted())
    expect(await looked(generation, ['neither', 'b', 'a', 'c', 'd'])).toEqual([
      ['neither', undefined, false],
      ['b', undefined, true],
      ...others.slice(0, 3),
    ])
    await backend.writer(generation).apply('a', { partition: 0, from: 6, vouched: 6, checkpoint: at(6), ops: [set('b', '"b"'), del('neither')] })
    expect(await scanned(generation)).toEqual([...others, ['b', '"b"', true] satisfies Seen].toSorted())
    expect(await ask('EXISTS', 'job@1:neither')).toBe(0)
  })

  it('leave out names that are not UTF-8, as no id is one', async () => {
    await fillWith(backend, unordered, ['a'])
    await ask('SET', Buffer.from([...Buffer.from('job@1:'), 0xff]), 'x')
    await ask('SADD', 'job@1/keys', Buffer.from([0xc0, 0x80]))
    expect(await scanned(unordered)).toEqual([['a', '"a"', true]])
  })

  it('find an id that no record could have', async () => {
    await fillWith(backend, unordered, [])
    for (const id of ['', 'with\0NUL', 'x'.repeat(2_000)]) await ask('SET', `job@1:${id}`, 'x')
    const expected = ['', 'with\0NUL', 'x'.repeat(2_000)].map(id => [id, 'x', false])
    expect(await scanned(unordered, 1)).toEqual(expected)
    await backend.writer(unordered).apply(
      'a',
      batch(
        0,
        0,
        0,
        ['', 'with\0NUL', 'x'.repeat(2_000)].map(id => del(id)),
      ),
    )
    expect(await scanned(unordered, 1)).toEqual([])
  })

  it.each(['', 'täst*[a-z]?\\:^{x}', '*', '[', '\\'])('of a shared server with keyPrefix %j see nothing of anybody else', async keyPrefix => {
    const mine = await connect(configOf({ a: address() }, { keyPrefix }))
    const ids = Array.from({ length: 500 }, (_, number) => `id-${number}`)
    await fillWith(mine, unordered, ids)
    const strangers = ['tästXa?\\:^{x}', 'x', 'täst*a?:^{x}', 'Z', '**', 'app:', '[[', 'a\\', ...(keyPrefix === '' ? [] : [''])]
    for (const prefix of strangers)
      await ask('MSET', ...ids.flatMap(id => [`${prefix}job@1:${id}`, 'theirs', `${prefix}job@1:other-${id}`, 'theirs']))
    await ask(
      'MSET',
      ...ids.flatMap(id => [`${keyPrefix}job@11:${id}`, 'theirs', `${keyPrefix}jobb@1:${id}`, 'theirs', `${keyPrefix}job@1/${id}`, 'theirs']),
    )
    const expected = ids.toSorted().map(id => [id, `"${id}"`, true])
    expect(await scanned(unordered, 100, undefined, mine)).toEqual(expected)
    await mine.close()
  })

  it.each(both)('find what stands throughout, while the server grows, shrinks and resizes its tables, with %s', async (_, generation) => {
    const kept = Array.from({ length: 3_000 }, (_, number) => `kept-${number}`)
    await fillWith(backend, generation, kept)
    let position = 0
    const fold = async (ids: readonly string[], kind: 'set' | 'del'): Promise<void> => {
      const ops = ids.map(id => (kind === 'set' ? set(id, '0') : del(id)))
      expect(await backend.writer(generation).apply('a', batch(1, position, ++position, ops))).toEqual({ kind: 'applied' })
    }
    const others = Array.from({ length: 20_000 }, (_, number) => `other-${number}`)
    let pages = 0
    const seen = await scanned(generation, 400, async page => {
      pages = page
      if (page > 60) return
      if (page % 8 === 1) await fold(others, 'set')
      if (page % 8 === 5) await fold(others, 'del')
      await fold([`more-${page}`, `more-${page - 3}`], page % 2 === 0 ? 'set' : 'del')
    })
    expect(pages).toBeGreaterThan(20)
    expect(seen.filter(([id]) => id.startsWith('kept-'))).toEqual(kept.toSorted().map(id => [id, JSON.stringify(id), true]))
    expect(seen.filter(([, value, listed]) => value === undefined || !listed)).toEqual([])
  })

  it.each(both)('cannot go on after the server was started again, with %s', async (_, generation) => {
    await fillWith(
      backend,
      generation,
      Array.from({ length: 3_000 }, (_, number) => `id-${number}`),
    )
    const admin = backend.admin(generation)
    const cursors: string[] = []
    for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
      cursor = (await admin.scan('a', { limit: 1_000, cursor })).cursor
      if (cursor !== undefined) cursors.push(cursor)
    }
    expect(cursors.length).toBeGreaterThan(4)
    await server().stop()
    await expect(admin.scan('a', { limit: 1_000, cursor: cursors[0] ?? '' })).rejects.toMatchObject({ code: 'view-unavailable' })
    await expect(admin.look('a', ['id-1'])).rejects.toMatchObject({ code: 'view-unavailable' })
    await server().start()
    await expect.poll(() => backend.ping('a')).toBe(undefined)
    for (const cursor of cursors) await expect(admin.scan('a', { limit: 1_000, cursor })).rejects.toMatchObject({ code: 'cursor-expired' })
    expect((await scanned(generation)).length).toBe(3_000)
  })

  it('refuse the cursor of another shard, though it is on the same server', async () => {
    const two = await connect({ shards: { a: `redis://${address()}`, b: `redis://${address()}/1` }, keyPrefix: '' })
    const ids = Array.from({ length: 100 }, (_, number) => `id-${number}`)
    await fillWith(two, unordered, ids)
    const { cursor = '' } = await two.admin(unordered).scan('a', { limit: 10 })
    await expect(two.admin(unordered).scan('b', { limit: 10, cursor })).rejects.toMatchObject({ code: 'cursor-expired' })
    await two.close()
  })

  it('say what to do where the key of the ids holds something else', async () => {
    await fillWith(backend, unordered, ['a'])
    await ask('SET', 'job@1/keys', 'x')
    const outage = { code: 'view-unavailable', remedy: expect.stringContaining('Delete the identity key') }
    await expect(scanned(unordered)).rejects.toMatchObject(outage)
    await expect(looked(unordered, ['a'])).rejects.toMatchObject(outage)
  })

  it('need no right to write', async () => {
    await fillWith(backend, unordered, ['a', 'b', 'c', 'd', 'e'])
    await ask('ACL', 'SETUSER', 'looker', 'on', '>pw', '~*', '+@read', '+@transaction', '+@scripting', '+@connection')
    const reading = await connect(configOf({ a: address() }, { username: 'looker', password: 'pw' }))
    expect((await scanned(unordered, 1_000, undefined, reading)).map(([id]) => id)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect((await reading.admin(unordered).look('a', ['a', 'no'])).checkpoints.map(({ position }) => position)).toEqual([5, 0, 0])
    await reading.close()
    await ask('ACL', 'DELUSER', 'looker')
  })
})
