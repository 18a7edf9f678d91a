import assert from 'node:assert/strict'
import type { Generation } from '../../../src/model/generation.ts'
import { identityOf } from '../../../src/model/generation.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, contentsOf, dropAll, openAll, openWith } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()
const other: Generation = { ...generation, uid: 'another uid' }
const entries = Array.from({ length: 12_000 }, (_, number) => [`id-${number}`, '1'] as const)

/** That a generation is gone from a shard for good: nobody opens it there again. */
async function assertGone(store: Store, shard: string): Promise<void> {
  const admin = store.backend.admin(generation)
  for (const anew of [false, true]) assert.equal(await admin.open(shard, { anew }), 'dropped')
  assert.equal((await admin.stats(shard)).entries, 0)
  assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'lost' })
  await assertThrows('view-lost', 'filled', () => store.backend.reader(generation).filled(shard))
}

export function dropping(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

  runner.describe('drop', () => {
    test('leaves nothing, and nothing that open brings back', async store => {
      await openWith(store, generation, entries)
      await dropAll(store, generation)
      for (const shard of store.shards) await assertGone(store, shard)
      await openAll(store, other)
      for (const shard of store.shards) assert.equal((await store.backend.admin(other).stats(shard)).entries, 0)
    })

    test('of what was never opened there keeps it from being opened', async store => {
      await dropAll(store, generation)
      for (const shard of store.shards) await assertGone(store, shard)
    })

    test('of one shard leaves the others', async store => {
      await openWith(store, generation, entries)
      const [first = '', ...others] = store.shards
      const admin = store.backend.admin(generation)
      await admin.drop(first)
      await assertGone(store, first)
      for (const shard of others) {
        const owned = entries.filter(([id]) => store.backend.owner(id) === shard).length
        assert.equal((await admin.stats(shard)).entries, owned)
        assert.equal(await store.backend.reader(generation).filled(shard), true)
        assert.equal(await admin.open(shard), 'kept')
      }
    })

    test('leaves a generation of another number, which is opened and dropped by itself', async store => {
      const next = generationOf({ number: 2 })
      await openWith(store, generation, { a: '1' })
      await openWith(store, next, { a: '2' })
      await dropAll(store, generation)
      assert.deepEqual(await contentsOf(store, next), new Map([['a', '2']]))
      for (const shard of store.shards) {
        assert.equal(await store.backend.admin(next).open(shard), 'kept')
        assert.equal(await store.backend.admin(generationOf({ number: 3 })).open(shard), 'opened')
      }
    })

    test('stops where the signal says so, and ends when it is repeated', async store => {
      await openWith(store, generation, entries)
      await dropAll(store, generation, AbortSignal.abort())
      for (const shard of store.shards) {
        const stopping = new AbortController()
        const stopped = store.backend.admin(generation).drop(shard, stopping.signal)
        stopping.abort()
        await stopped
      }
      await dropAll(store, generation)
      for (const shard of store.shards) await assertGone(store, shard)
    })

    test('that is repeated, and one of two at once, end as one does', async store => {
      await openWith(store, generation, entries)
      await Promise.all([dropAll(store, generation), dropAll(store, generation)])
      await dropAll(store, generation)
      for (const shard of store.shards) await assertGone(store, shard)
    })

    test('does not harm another identity under the same name, before and after it was opened', async store => {
      await openWith(store, generation, { a: '1' })
      await dropAll(store, generation)
      await openWith(store, other, { b: '2' })
      await dropAll(store, generation)
      assert.deepEqual(await contentsOf(store, other), new Map([['b', '2']]))
      for (const shard of store.shards) {
        for (const anew of [false, true]) assert.equal(await store.backend.admin(generation).open(shard, { anew }), 'dropped')
        assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'foreign', found: identityOf(other, shard) })
      }
    })

    test('where another identity stands keeps its own from being opened when that is gone', async store => {
      await openWith(store, other, { b: '2' })
      await dropAll(store, generation)
      assert.deepEqual(await contentsOf(store, other), new Map([['b', '2']]))
      await dropAll(store, other)
      for (const shard of store.shards) await assertGone(store, shard)
    })

    test('wins over whoever opens meanwhile, of what is there and of what is not', async store => {
      for (const shard of store.shards) {
        for (const isThere of [true, false]) {
          const raced: Generation = { ...generation, number: isThere ? 1 : 2, uid: `uid of ${isThere}` }
          const admin = store.backend.admin(raced)
          if (isThere) await admin.open(shard)
          const opens = async (anew: boolean): Promise<void> => {
            let before: unknown
            for (let time = 0; time < 20; time++) {
              const outcome = await admin.open(shard, { anew })
              if (before === 'dropped') assert.equal(outcome, 'dropped')
              before = outcome
            }
          }
          await Promise.all([opens(false), admin.drop(shard), opens(true)])
          assert.equal(await admin.open(shard), 'dropped')
          assert.deepEqual(await store.backend.writer(raced).checkpoints(shard), { kind: 'lost' })
        }
      }
    })
  })
}
