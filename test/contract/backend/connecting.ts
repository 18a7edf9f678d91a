import assert from 'node:assert/strict'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { contentsOf, openWith } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()
const entries = Array.from({ length: 200 }, (_, number) => [`id-${number}`, '1'] as const)

export function connecting(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

  runner.describe('connect', () => {
    test('to all shards of the config gives these, in their order', async store => {
      const shards = options.module.shards(store.config)
      assert.deepEqual(store.shards, shards)
      assert.ok(shards.length > 0)
      assert.equal(new Set(shards).size, shards.length)
    })

    test('to some shards of the config gives these and no others, and what is folded there stays in them', async store => {
      const all = options.module.shards(store.config)
      const tried = all.length === 1 ? [all] : [all.slice(1), all.slice(0, 1)]
      for (const [index, some] of tried.entries()) {
        await store.reconnect(some)
        assert.deepEqual(store.shards, some)
        const at = generationOf({ number: index + 1 })
        await openWith(store, at, entries)
        assert.deepEqual(await contentsOf(store, at), new Map(entries))
        const owners = new Set(entries.map(([id]) => store.backend.owner(id)))
        assert.deepEqual([...owners].toSorted(), some.toSorted())
        await store.reconnect()
        for (const shard of all) {
          const { kind } = await store.backend.writer(at).checkpoints(shard)
          assert.equal(kind, some.includes(shard) && options.module.traits.durable ? 'open' : 'lost')
        }
      }
    })

    test('to the same shards gives each id the same owner', async store => {
      const owners = entries.map(([id]) => store.backend.owner(id))
      await store.reconnect(store.shards.toReversed())
      assert.deepEqual(
        entries.map(([id]) => store.backend.owner(id)),
        owners,
      )
      await openWith(store, generation, entries)
    })
  })
}
