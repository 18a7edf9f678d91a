import { beforeEach, describe, expect, it } from 'vitest'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, compareBytes, del, set } from '../contract/backend/folding.ts'
import { entriesOf, pagesOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { startRedis } from '../services/redis.ts'
import { configOf, connect, fillWith, useRedis } from './world.ts'

const unordered = generationOf({ ordered: false })
const both = [
  ['a set', unordered],
  ['a sorted set', generationOf({ ordered: true })],
] as const

describe('lists', () => {
  const { address, ask, open, server } = useRedis({ config: { appendonly: 'yes', appendfsync: 'always' } })
  let backend: ViewBackend
  beforeEach(async () => {
    backend = await open()
  })

  async function idPagesOf(generation: Generation, limit: number, between: (page: number) => Promise<void> = async () => undefined) {
    const pages: string[][] = []
    for await (const page of pagesOf(backend.reader(generation), { limit })) {
      pages.push(page.map(({ id }) => id))
      await between(pages.length)
    }
    return pages
  }

  // Redis keeps small sets of numbers as an array, and up to 7.0 all others as a table; SSCAN gives the first whole, however long.
  it.each([
    ['500 numbers, which Redis keeps as an intset', Array.from({ length: 500 }, (_, number) => String(number)), 'intset'],
    ['3,000 ids in a table', Array.from({ length: 3_000 }, (_, number) => `id-${number}`), 'hashtable'],
  ])('of %s give each once, in pages of any size', async (_, ids, encoding) => {
    await fillWith(backend, unordered, ids)
    expect(await ask('OBJECT', 'ENCODING', 'job@1/keys')).toBe(encoding)
    for (const limit of [1, 3, 17, 100, 499, 1_000, 5_000]) {
      const seen = (await idPagesOf(unordered, limit)).flat()
      expect(seen.toSorted()).toEqual(ids.toSorted())
    }
  })

  it('give what is there throughout, while the set grows thirtyfold, shrinks and changes its kind', async () => {
    const kept = Array.from({ length: 300 }, (_, number) => String(number))
    await fillWith(backend, unordered, kept)
    for (const limit of [1, 4, 50]) {
      let position = (await backend.reader(unordered).vouched('a'))[1] ?? 0
      const fold = async (ids: readonly string[], kind: 'set' | 'del'): Promise<void> => {
        const ops = ids.map(id => (kind === 'set' ? set(id, '0') : del(id)))
        expect(await backend.writer(unordered).apply('a', batch(1, position, ++position, ops))).toEqual({ kind: 'applied' })
      }
      const others = Array.from({ length: 10_000 }, (_, number) => `other-${number}`)
      const seen = await idPagesOf(unordered, limit, async page => {
        if (page % 40 === 10) await fold(others, 'set')
        if (page % 40 === 30) await fold(others, 'del')
        if (page < 400) await fold([`other-${page}`, `-${page}`], page % 2 === 0 ? 'set' : 'del')
        if (page > 3_000 && page % 40 === 11) await fold(others, 'del')
      })
      expect(new Set(seen.flat().filter(id => /^\d+$/.test(id)))).toEqual(new Set(kept))
      await fold([...others, ...Array.from({ length: 400 }, (_, number) => `-${number}`)], 'del')
    }
  })

  it('of large values end a page early, so that no page is above 5 MB', async () => {
    for (const generation of [unordered, generationOf({ number: 2, ordered: true })]) {
      await fillWith(backend, generation, [])
      const ids = Array.from({ length: 40 }, (_, number) => `id-${String(number).padStart(2, '0')}`)
      const value = 'x'.repeat(900_000)
      for (const [at, id] of ids.entries()) await backend.writer(generation).apply('a', batch(1, at, at + 1, [set(id, value)]))
      const pages = await idPagesOf(generation, 1_000)
      expect(pages.flat().toSorted()).toEqual(ids)
      expect(Math.max(...pages.map(page => page.length))).toBeLessThanOrEqual(5)
    }
  })

  it('end with cursor-expired when the server was started again, as its order is another; ordered ones go on, in any generation', async () => {
    const ordered = generationOf({ number: 2, ordered: true })
    const next = generationOf({ number: 3, ordered: true })
    const ids = Array.from({ length: 2_000 }, (_, number) => `id-${number}`)
    for (const generation of [unordered, ordered, next]) await fillWith(backend, generation, ids)
    const [scanned, ranged] = [await backend.reader(unordered).list({ limit: 100 }), await backend.reader(ordered).list({ limit: 100 })]
    await server().stop()
    await expect(backend.reader(unordered).list({ limit: 100, cursor: scanned.cursor ?? '' })).rejects.toMatchObject({ code: 'view-unavailable' })
    await server().start()
    await expect.poll(() => backend.ping('a')).toBe(undefined)
    await expect(backend.reader(unordered).list({ limit: 100, cursor: scanned.cursor ?? '' })).rejects.toMatchObject({ code: 'cursor-expired' })
    const sorted = ids.toSorted(compareBytes)
    for (const generation of [ordered, next]) {
      const page = await backend.reader(generation).list({ limit: 100, cursor: ranged.cursor ?? '' })
      expect(page.entries.map(({ id }) => id)).toEqual(sorted.slice(ranged.entries.length, ranged.entries.length + page.entries.length))
      expect(page.entries.length).toBeGreaterThan(0)
    }
  })

  it('leave out ids whose value went meanwhile, and never give an entry without one', async () => {
    await fillWith(backend, unordered, ['a', 'b', 'c'])
    await ask('DEL', 'job@1:b')
    expect((await idPagesOf(unordered, 10)).flat().toSorted()).toEqual(['a', 'c'])
  })

  it('in key order hold nothing back, where the keys of a shard lie close together', async () => {
    await using three = await startRedis({ servers: 3 })
    const ring = await connect(configOf(Object.fromEntries(three.servers.map((server, at) => ['abc'[at] ?? '', server.address]))))
    const ordered = generationOf({ ordered: true })
    const ids = Array.from({ length: 20_000 }, (_, number) => `${'cab'[Math.floor(number / 5_000)] ?? 'd'}-${number}`)
    const clustered = ids.filter(id => id.startsWith('d') || ring.owner(id) === id[0])
    await fillWith(ring, ordered, clustered)
    for (const limit of [7, 100, 1_000]) {
      const seen = await Array.fromAsync(entriesOf(ring.reader(ordered), { limit }), ({ id }) => id)
      expect(seen).toEqual(clustered.toSorted(compareBytes))
    }
    await ring.close()
  })

  it.each(both)('leave out entries whose key holds something else than a value, in %s', async (_, generation) => {
    const ids = Array.from({ length: 20 }, (_, number) => `id-${number}`)
    await fillWith(backend, generation, ids)
    await ask('DEL', 'job@1:id-3')
    await ask('RPUSH', 'job@1:id-3', 'x')
    expect((await idPagesOf(generation, 100)).flat().toSorted()).toEqual(ids.filter(id => id !== 'id-3').toSorted())
  })

  it('in key order are pages of 4 MB over all shards, however many these are', async () => {
    const names = Array.from({ length: 14 }, (_, number) => `s${number}`)
    const many = await connect({ shards: Object.fromEntries(names.map((name, number) => [name, `redis://${address()}/${number}`])), keyPrefix: '' })
    const ordered = generationOf({ ordered: true })
    await fillWith(many, ordered, [])
    const ids = Array.from({ length: 42 }, (_, number) => `id-${number}`)
    for (const name of names) {
      const ops = ids.filter(id => many.owner(id) === name).map(id => set(id, 'x'.repeat(500_000)))
      await many.writer(ordered).apply(name, batch(1, 0, 1, ops))
    }
    const seen: string[] = []
    for await (const page of pagesOf(many.reader(ordered), { limit: 30 })) {
      expect(page.reduce((bytes, { value }) => bytes + value.length, 0)).toBeLessThanOrEqual(4 * 1024 * 1024)
      seen.push(...page.map(({ id }) => id))
    }
    expect(seen).toEqual(ids.toSorted(compareBytes))
    await many.close()
  })

  it('refuse cursors that Redis could not have given', async () => {
    await fillWith(backend, unordered, ['a'])
    for (const scan of ['18446744073709551616', '99999999999999999999999999', '-1', '']) {
      const cursor = Buffer.from(JSON.stringify(['a', '', scan])).toString('base64url')
      await expect(backend.reader(unordered).list({ limit: 1, cursor })).rejects.toMatchObject({ code: 'cursor-expired' })
      const scanned = Buffer.from(JSON.stringify(['a', 'entries', '', scan])).toString('base64url')
      await expect(backend.admin(unordered).scan('a', { limit: 1, cursor: scanned })).rejects.toMatchObject({ code: 'cursor-expired' })
    }
  })

  it('refuse cursors of shards that are not there', async () => {
    await fillWith(backend, unordered, ['a'])
    const cursor = Buffer.from(JSON.stringify(['b', '', '0'])).toString('base64url')
    await expect(backend.reader(unordered).list({ limit: 1, cursor })).rejects.toMatchObject({ code: 'cursor-expired' })
  })
})
