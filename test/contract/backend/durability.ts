import assert from 'node:assert/strict'
import { checkpointZero } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { at, batch, bytesOf, commandAt, contentsOf, dropAll, fold, openAll, openWith, serveAll, set } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()

export function durability(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

  if (!options.module.traits.durable) {
    runner.describe('not durable', () => {
      test('a generation is absent, never half there, after a new connect', async store => {
        await openWith(store, generation, { a: '1' })
        await store.reconnect()
        for (const shard of store.shards) assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'lost' })
      })
    })
    return
  }

  runner.describe('durable', () => {
    test('a new connect finds entries, checkpoints, identity and filled', async store => {
      const entries = [
        ['a', '[1]'],
        ['__proto__', '2'],
        ['\u{1f600}', '""'],
      ] as const
      await openWith(store, generation, entries)
      await fold(store, generation, batch(2, 0, 5))
      const openings = await Promise.all(store.shards.map(shard => store.backend.admin(generation).opening(shard)))
      await store.reconnect()
      assert.deepEqual(await contentsOf(store, generation), new Map(entries))
      for (const [index, shard] of store.shards.entries()) {
        const checkpoints = [at(entries.length), checkpointZero, at(5)]
        assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'open', checkpoints })
        assert.equal(await store.backend.admin(generation).open(shard), 'kept')
        assert.equal(await store.backend.admin(generation).opening(shard), openings[index])
      }
    })

    test('what was not filled is not filled after a new connect', async store => {
      await openAll(store, generation)
      await store.reconnect()
      for (const shard of store.shards) assert.equal(await store.backend.reader(generation).filled(shard), false)
    })

    test('what was dropped is absent after a new connect', async store => {
      await openWith(store, generation, { a: '1' })
      await dropAll(store, generation)
      await store.reconnect()
      for (const shard of store.shards) assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'lost' })
    })

    test('what was dropped stays so after a new connect, and what was served newer', async store => {
      const [dropped, next] = [generation, generationOf({ number: 2 })]
      for (const each of [dropped, next]) await openWith(store, each, { a: '1' })
      await serveAll(store, dropped, commandAt(5))
      await dropAll(store, dropped)
      await store.reconnect()
      for (const shard of store.shards) {
        for (const anew of [false, true]) assert.equal(await store.backend.admin(dropped).open(shard, { anew }), 'dropped')
        assert.equal(await store.backend.admin(next).serve(shard, commandAt(4)), 'outdated')
        assert.equal(await store.backend.admin(next).serve(shard, commandAt(5)), 'shown')
        assert.equal(await store.backend.admin({ ...dropped, uid: 'another uid' }).open(shard), 'opened')
      }
    })

    test('after each of many connects the fold goes on where it was', async store => {
      await openWith(store, generation, {})
      for (let round = 0; round < 5; round++) {
        await fold(store, generation, batch(1, round, round + 1, [set(`id-${round}`, bytesOf(String(round)))]))
        await store.reconnect()
      }
      assert.deepEqual([...(await contentsOf(store, generation)).values()], ['0', '1', '2', '3', '4'])
    })
  })
}
