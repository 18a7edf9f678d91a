import assert from 'node:assert/strict'
import { checkpointZero } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, at, batch, contentsOf, dropAll, fold, openWith, serveAll, set } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

/** Names that could meet if a store joined them carelessly. */
const NEIGHBOURS = [
  generationOf({ view: 'job', number: 1 }),
  generationOf({ view: 'job', number: 2 }),
  generationOf({ view: 'job', number: 11 }),
  generationOf({ view: 'job_1', number: 1 }),
  generationOf({ view: 'job1', number: 1 }),
  generationOf({ view: 'jobs', number: 1, format: 'text' }),
  generationOf({ view: 'j', number: 1, ordered: false }),
  generationOf({ view: 'identity', number: 1 }),
  generationOf({ view: 'checkpoint', number: 1, format: 'bytes' }),
  generationOf({ view: 'select', number: 1 }),
]

export function separation(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)
  const expected = (number: number) =>
    new Map([
      ['same', `"${number}"`],
      [`only-${number}`, '1'],
    ])

  runner.describe('generations side by side', () => {
    test('hold what was folded into each, and nothing of another', async store => {
      for (const [number, generation] of NEIGHBOURS.entries()) await openWith(store, generation, [...expected(number)])
      for (const [number, generation] of NEIGHBOURS.entries()) assert.deepEqual(await contentsOf(store, generation), expected(number))
    })

    test('have checkpoints of their own', async store => {
      for (const generation of NEIGHBOURS) await openWith(store, generation, {})
      const shard = store.shards[0] ?? ''
      for (const [number, generation] of NEIGHBOURS.entries()) await fold(store, generation, batch(1, 0, number + 1))
      for (const [number, generation] of NEIGHBOURS.entries()) {
        const checkpoints = [at(0), at(number + 1), checkpointZero]
        assert.deepEqual(await store.backend.writer(generation).checkpoints(shard), { kind: 'open', checkpoints })
      }
    })

    test('are dropped, and opened anew, one by one', async store => {
      for (const [number, generation] of NEIGHBOURS.entries()) await openWith(store, generation, [...expected(number)])
      for (const [number, generation] of NEIGHBOURS.entries()) {
        if (number % 2 === 0) await dropAll(store, generation)
        else for (const shard of store.shards) await store.backend.admin(generation).open(shard, { anew: true })
        const reader = store.backend.reader(generation)
        await assertThrows(number % 2 === 0 ? 'view-lost' : 'view-folding', 'list', () => reader.list({ limit: 1 }))
        for (const [other, neighbour] of NEIGHBOURS.entries()) {
          if (other > number) assert.deepEqual(await contentsOf(store, neighbour), expected(other))
        }
      }
    })

    test('are served one after the other, in any order, and again', async store => {
      const [first, second] = NEIGHBOURS
      if (first === undefined || second === undefined) return
      for (const generation of [first, second]) await openWith(store, generation, { a: '1' })
      for (const generation of [first, second, second, first]) await serveAll(store, generation)
      for (const shard of store.shards) assert.deepEqual(await store.backend.admin(first).marks(shard), { filled: true, shown: true })
      await fold(store, first, batch(1, 0, 1, [set('b', '2')]))
      for (const shard of store.shards) await store.backend.admin(first).open(shard, { anew: true })
      await dropAll(store, first)
      await serveAll(store, second)
      assert.deepEqual(await contentsOf(store, second), new Map([['a', '1']]))
    })
  })
}
