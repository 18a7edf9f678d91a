import assert from 'node:assert/strict'
import { checkpointZero } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { batch, contentsOf, fold, openAll, openWith, set } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()
const entries = Array.from({ length: 12_000 }, (_, number) => [`id-${number}`, '1'] as const)

export function admin(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

  runner.describe('open', () => {
    test('writes checkpoint 0 for every partition', async store => {
      const wide = generationOf({ partitions: 25 })
      await openAll(store, wide)
      for (const shard of store.shards) {
        const checkpoints = Array(25).fill(checkpointZero)
        assert.deepEqual(await store.backend.writer(wide).checkpoints(shard), { kind: 'open', checkpoints })
        assert.deepEqual(await store.backend.reader(wide).vouched(shard), Array(25).fill(0))
      }
    })

    test('repeated keeps entries, checkpoints and filled', async store => {
      await openWith(store, generation, { a: '1' })
      for (const shard of store.shards) assert.equal(await store.backend.admin(generation).open(shard), 'kept')
      assert.deepEqual(await contentsOf(store, generation), new Map([['a', '1']]))
      await fold(store, generation, batch(0, 1, 2, [set('a', '2')]))
      assert.deepEqual(await contentsOf(store, generation), new Map([['a', '2']]))
    })

    test('anew empties the shard, and its checkpoints', async store => {
      await openWith(store, generation, entries)
      for (const shard of store.shards) {
        assert.equal(await store.backend.admin(generation).open(shard, { anew: true }), 'opened')
        assert.equal((await store.backend.admin(generation).stats(shard)).entries, 0)
        const checkpoints = Array(3).fill(checkpointZero)
        assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'open', checkpoints })
      }
    })

    test('anew of one shard leaves the others', async store => {
      await openWith(store, generation, entries)
      const [first, ...others] = store.shards
      await store.backend.admin(generation).open(first ?? '', { anew: true })
      for (const shard of others) {
        const owned = entries.filter(([id]) => store.backend.owner(id) === shard).length
        assert.equal((await store.backend.admin(generation).stats(shard)).entries, owned)
      }
    })
  })
}
