import assert from 'node:assert/strict'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, batch, dropAll, fold, markFilled, openAll, openWith, set, textOf } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()

export function reading(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

  runner.describe('get', () => {
    test('answers in the order asked, an id as often as asked, and undefined where there is no entry', async store => {
      await openWith(store, generation, { a: '1', b: '2', c: '3' })
      const values = await store.backend.reader(generation).get(['c', 'x', 'a', 'c', 'y', 'b', 'a'])
      assert.deepEqual(values.map(textOf), ['3', undefined, '1', '3', undefined, '2', '1'])
    })

    test('answers no ids with no values', async store => {
      await openWith(store, generation, { a: '1' })
      assert.deepEqual(await store.backend.reader(generation).get([]), [])
    })

    test('answers 1,000 ids at once', async store => {
      const pairs = Array.from({ length: 1_000 }, (_, number) => [`id-${number}`, String(number)] as const)
      await openWith(store, generation, pairs)
      const values = await store.backend.reader(generation).get(pairs.map(([id]) => id))
      assert.deepEqual(
        values.map(textOf),
        pairs.map(([, value]) => value),
      )
    })

    test('gives bytes of its own: changing them changes no entry', async store => {
      await openWith(store, generation, { a: '[1]' })
      const [first] = await store.backend.reader(generation).get(['a'])
      first?.fill(0)
      const [second] = await store.backend.reader(generation).get(['a'])
      assert.equal(textOf(second), '[1]')
    })

    test('answers what was applied last, from another reader, too', async store => {
      await openWith(store, generation, { a: '1' })
      const reader = store.backend.reader(generation)
      for (let round = 0; round < 20; round++) {
        await fold(store, generation, batch(1, round, round + 1, [set('a', String(round))]))
        assert.deepEqual((await reader.get(['a'])).map(textOf), [String(round)])
        assert.deepEqual((await store.backend.reader(generation).get(['a'])).map(textOf), [String(round)])
      }
    })
  })

  runner.describe('filled', () => {
    test('is true of a shard that was marked, and no list is read before all are', async store => {
      await openAll(store, generation)
      const reader = store.backend.reader(generation)
      for (const shard of store.shards) {
        assert.equal(await reader.filled(shard), false)
        await assertThrows('view-folding', 'list', () => reader.list({ limit: 1 }))
        await markFilled(store.backend.admin(generation), shard)
        assert.equal(await reader.filled(shard), true)
      }
      assert.deepEqual(await reader.list({ limit: 1 }), { entries: [], cursor: undefined })
    })

    test('is not recorded of a shard that does not vouch for the end offsets, so a late caller marks nothing wrong', async store => {
      await openAll(store, generation)
      await fold(store, generation, batch(0, 0, 5))
      await fold(store, generation, batch(1, 0, 3))
      for (const shard of store.shards) {
        const admin = store.backend.admin(generation)
        assert.equal(await markFilled(admin, shard, [5, 4]), false)
        assert.equal(await store.backend.reader(generation).filled(shard), false)
        assert.equal(await markFilled(admin, shard, [5, 3]), true)
        await admin.open(shard, { anew: true })
        assert.equal(await markFilled(admin, shard, [5, 3]), false)
      }
    })

    test('is not recorded for an earlier opening, though its end offsets are reached again', async store => {
      await openAll(store, generation)
      await fold(store, generation, batch(0, 0, 5))
      for (const shard of store.shards) {
        const admin = store.backend.admin(generation)
        const earlier = await admin.opening(shard)
        assert.equal(await admin.open(shard), 'kept')
        assert.equal(await admin.opening(shard), earlier)
        await admin.open(shard, { anew: true })
        const present = await admin.opening(shard)
        assert.notEqual(present, earlier)
        assert.deepEqual(await store.backend.writer(generation).apply(shard, batch(0, 0, 5)), { kind: 'applied' })
        assert.equal(await admin.markFilled(shard, earlier, [5]), false)
        assert.equal(await store.backend.reader(generation).filled(shard), false)
        assert.equal(await admin.markFilled(shard, present, [5]), true)
        assert.equal(await store.backend.reader(generation).filled(shard), true)
      }
    })

    test('is not recorded for an opening that was dropped', async store => {
      await openAll(store, generation)
      const admin = store.backend.admin(generation)
      const earlier = await Promise.all(store.shards.map(shard => admin.opening(shard)))
      await dropAll(store, generation)
      const other = { ...generation, uid: 'another uid' }
      await openAll(store, other)
      for (const [index, shard] of store.shards.entries()) {
        for (const each of [generation, other]) assert.equal(await store.backend.admin(each).markFilled(shard, earlier[index] ?? '', []), false)
        assert.equal(await store.backend.reader(other).filled(shard), false)
      }
    })

    test('is taken back by open anew, and kept by open', async store => {
      await openWith(store, generation, { a: '1' })
      const shard = store.shards[0] ?? ''
      await store.backend.admin(generation).open(shard)
      assert.equal(await store.backend.reader(generation).filled(shard), true)
      await store.backend.admin(generation).open(shard, { anew: true })
      assert.equal(await store.backend.reader(generation).filled(shard), false)
    })

    test('of one shard does not matter to a get that asks only others', async store => {
      const [first, second] = store.shards
      if (first === undefined || second === undefined) return
      const id = Array.from({ length: 1_000 }, (_, number) => `id-${number}`).find(each => store.backend.owner(each) === second)
      assert.ok(id !== undefined, `none of 1,000 ids belongs to ${second}`)
      await openWith(store, generation, [[id, '1']])
      await store.backend.admin(generation).open(first, { anew: true })
      assert.deepEqual((await store.backend.reader(generation).get([id])).map(textOf), ['1'])
    })
  })

  runner.describe('shards', () => {
    test('have names, each another, and every id has one owner, the same after a new connect', async store => {
      assert.ok(store.shards.length >= 1)
      assert.equal(new Set(store.shards).size, store.shards.length)
      const ids = ['', '__proto__', 'constructor', 'é', '\u{1f600}', ...Array.from({ length: 2_000 }, (_, number) => `id-${number}`)]
      const shards = store.shards
      const owners = ids.map(id => store.backend.owner(id))
      assert.deepEqual(new Set(owners), new Set(shards))
      await store.reconnect()
      assert.deepEqual(store.shards, shards)
      assert.deepEqual(
        ids.map(id => store.backend.owner(id)),
        owners,
      )
    })

    test('answer a ping each', async store => {
      for (const shard of store.shards) assert.equal(await store.backend.ping(shard), undefined)
    })

    test('are counted each for itself', async store => {
      const ids = Array.from({ length: 300 }, (_, number) => `id-${number}`)
      await openWith(
        store,
        generation,
        ids.map(id => [id, '1']),
      )
      for (const shard of store.shards) {
        const { entries, bytes } = await store.backend.admin(generation).stats(shard)
        assert.equal(entries, ids.filter(id => store.backend.owner(id) === shard).length)
        assert.ok(bytes === undefined || bytes > 0)
      }
    })
  })
}
