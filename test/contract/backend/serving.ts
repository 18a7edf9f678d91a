import assert from 'node:assert/strict'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, commandAt, contentsOf, dropAll, openWith, serveAll } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()
const next = generationOf({ number: 2 })

export function serving(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) =>
    storeCase(runner, options, name, async store => {
      for (const each of [generation, next]) await openWith(store, each, { a: '1' })
      await work(store)
    })

  /** That an older command changes nothing of what people see. */
  async function assertOutdated(store: Store, offset: number, topicId?: string): Promise<void> {
    for (const shard of store.shards) {
      const admin = store.backend.admin(generation)
      const before = await admin.marks(shard)
      assert.equal(await admin.serve(shard, commandAt(offset, topicId)), 'outdated')
      assert.deepEqual(await admin.marks(shard), before)
      assert.deepEqual(await store.backend.admin(next).marks(shard), { filled: true, shown: true })
    }
  }

  runner.describe('serve', () => {
    test('shows the generation of the newest command, and no other any more', async store => {
      await serveAll(store, generation, commandAt(5))
      await serveAll(store, next, commandAt(6))
      await assertOutdated(store, 5)
      await serveAll(store, generation, commandAt(7))
      for (const shard of store.shards) {
        assert.deepEqual(await store.backend.admin(generation).marks(shard), { filled: true, shown: true })
        assert.equal(await store.backend.admin(next).serve(shard, commandAt(6)), 'outdated')
      }
    })

    test('by the same command may be repeated', async store => {
      for (let time = 0; time < 3; time++) await serveAll(store, next, commandAt(5))
      await assertOutdated(store, 4)
    })

    test('by a command of another topic, as of one that was made again, takes over', async store => {
      await serveAll(store, generation, commandAt(5, 'old'))
      await serveAll(store, next, commandAt(2, 'new'))
      await assertOutdated(store, 1, 'new')
      await serveAll(store, next, commandAt(3, 'new'))
    })

    test('of an offset beyond 32 bits is compared as the number it is', async store => {
      await serveAll(store, next, commandAt(Number.MAX_SAFE_INTEGER))
      await assertOutdated(store, Number.MAX_SAFE_INTEGER - 1)
      await assertOutdated(store, 9)
    })

    test('of one shard leaves what the others show', async store => {
      const [first = '', ...others] = store.shards
      await serveAll(store, generation, commandAt(5))
      assert.equal(await store.backend.admin(next).serve(first, commandAt(6)), 'shown')
      for (const shard of others) {
        assert.deepEqual(await store.backend.admin(generation).marks(shard), { filled: true, shown: true })
        assert.equal(await store.backend.admin(generation).serve(shard, commandAt(5)), 'shown')
      }
    })

    test('of one view leaves the fence of another', async store => {
      const job1 = generationOf({ view: 'job1' })
      await openWith(store, job1, {})
      await serveAll(store, next, commandAt(5))
      await serveAll(store, job1, commandAt(4))
    })

    test('that fails keeps no other from serving', async store => {
      const absent = generationOf({ number: 3 })
      for (const shard of store.shards) {
        await assertThrows('view-lost', 'serve', () => store.backend.admin(absent).serve(shard, commandAt(9)))
        const foreign = { ...next, uid: 'another uid' }
        await assertThrows('foreign-store', 'serve', () => store.backend.admin(foreign).serve(shard, commandAt(9)))
      }
      await serveAll(store, next, commandAt(5))
    })

    test('of another generation follows a drop of what serves, and no older command does', async store => {
      await serveAll(store, next, commandAt(4))
      await serveAll(store, generation, commandAt(5))
      await dropAll(store, generation)
      for (const shard of store.shards) {
        assert.equal(await store.backend.admin(next).serve(shard, commandAt(4)), 'outdated')
        assert.equal(await store.backend.admin(next).serve(shard, commandAt(6)), 'shown')
        assert.deepEqual(await store.backend.admin(next).marks(shard), { filled: true, shown: true })
      }
      assert.deepEqual(await contentsOf(store, next), new Map([['a', '1']]))
    })

    test('is not undone by a drop of what serves no more', async store => {
      await serveAll(store, generation, commandAt(4))
      await serveAll(store, next, commandAt(5))
      await dropAll(store, generation)
      for (const shard of store.shards) assert.deepEqual(await store.backend.admin(next).marks(shard), { filled: true, shown: true })
    })
  })
}
