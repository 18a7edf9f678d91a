import assert from 'node:assert/strict'
import { checkpointZero } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { at, batch, bytesOf, contentsOf, fold, openAll, openWith, set } from './folding.ts'
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
      await store.backend.admin(generation).drop()
      await store.reconnect()
      for (const shard of store.shards) assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'lost' })
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
