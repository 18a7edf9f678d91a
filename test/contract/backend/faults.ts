import assert from 'node:assert/strict'
import type { Generation } from '../../../src/model/generation.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, batch, commandAt, contentsOf, dropAll, fold, markFilled, openWith, set, textOf } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()
const entries = Array.from({ length: 200 }, (_, number) => [`id-${number}`, '1'] as const)

/** An id that the shard owns. */
const idOf = (store: Store, shard: string): string => entries.find(([id]) => store.backend.owner(id) === shard)?.[0] ?? ''

export function faults(runner: TestRunner, options: SuiteOptions): void {
  const { lose, cutOff } = options
  const test = (name: string, work: (store: Store, shard: string) => Promise<void>) =>
    storeCase(runner, options, name, async store => {
      await openWith(store, generation, entries)
      await work(store, store.shards[0] ?? '')
    })

  if (lose !== undefined) {
    runner.describe('a shard that was lost', () => {
      test('says so, while the others go on', async (store, shard) => {
        await lose(store, shard)
        const reader = store.backend.reader(generation)
        await assertThrows('view-lost', 'get', () => reader.get([idOf(store, shard)]))
        await assertThrows('view-lost', 'list', () => reader.list({ limit: 1 }))
        await assertThrows('view-lost', 'vouched', () => reader.vouched(shard))
        const admin = store.backend.admin(generation)
        await assertThrows('view-lost', 'scan', () => admin.scan(shard, { limit: 1 }))
        await assertThrows('view-lost', 'look', () => admin.look(shard, [idOf(store, shard)]))
        assert.deepEqual(await store.backend.writer(generation).apply(shard, batch(0, entries.length, 300)), { kind: 'lost' })
        await assertOthersGoOn(store, shard, generation)
      })

      test('is folded again alone, and read when it is filled', async (store, shard) => {
        const earlier = await store.backend.admin(generation).opening(shard)
        await lose(store, shard)
        assert.equal(await store.backend.admin(generation).open(shard), 'opened')
        assert.equal(await store.backend.admin(generation).markFilled(shard, earlier, []), false)
        const reader = store.backend.reader(generation)
        await assertThrows('view-folding', 'get', () => reader.get([idOf(store, shard)]))
        const ops = entries.filter(([id]) => store.backend.owner(id) === shard).map(([id, value]) => set(id, value))
        const outcome = await store.backend.writer(generation).apply(shard, batch(0, 0, entries.length, ops))
        assert.deepEqual(outcome, { kind: 'applied' })
        await markFilled(store.backend.admin(generation), shard)
        assert.deepEqual(await contentsOf(store, generation), new Map(entries))
      })
    })
  }

  if (lose !== undefined) {
    runner.describe('a shard that was lost with its fence', () => {
      test('takes a generation that was dropped there, and a command of any age', async (store, shard) => {
        const admin = store.backend.admin(generation)
        assert.equal(await admin.serve(shard, commandAt(5)), 'shown')
        await dropAll(store, generation)
        await lose(store, shard)
        assert.equal(await admin.open(shard), 'opened')
        assert.equal(await admin.serve(shard, commandAt(4)), 'shown')
        for (const other of store.shards.filter(name => name !== shard)) assert.equal(await admin.open(other), 'dropped')
      })
    })
  }

  if (cutOff !== undefined) {
    runner.describe('a shard that does not answer', () => {
      test('is unavailable, while the others go on, and is as it was when it answers again', async (store, shard) => {
        const opening = await store.backend.admin(generation).opening(shard)
        const told = await store.backend.capacity(shard)
        const back = await cutOff(store, shard)
        const reader = store.backend.reader(generation)
        const writer = store.backend.writer(generation)
        assert.equal((await writer.apply(shard, batch(0, entries.length, 300))).kind, 'unavailable')
        assert.equal((await writer.checkpoints(shard)).kind, 'unavailable')
        assert.ok((await store.backend.ping(shard)) instanceof Error)
        for (const [what, read] of [
          ['get', () => reader.get([idOf(store, shard)])],
          ['list', () => reader.list({ limit: 1 })],
          ['vouched', () => reader.vouched(shard)],
          ['scan', () => store.backend.admin(generation).scan(shard, { limit: 1 })],
          ['look', () => store.backend.admin(generation).look(shard, [idOf(store, shard)])],
          ['open', () => store.backend.admin(generation).open(shard)],
          ['opening', () => store.backend.admin(generation).opening(shard)],
          ['markFilled', () => store.backend.admin(generation).markFilled(shard, opening, [])],
          ['marks', () => store.backend.admin(generation).marks(shard)],
          ['filled', () => reader.filled(shard)],
          ['serve', () => store.backend.admin(generation).serve(shard, commandAt(1))],
        ] as const) {
          await assertThrows('view-unavailable', what, read)
        }
        if (told !== undefined) await assertThrows('view-unavailable', 'capacity', () => store.backend.capacity(shard))
        await assertOthersGoOn(store, shard, generation)
        await back()
        assert.equal(await store.backend.ping(shard), undefined)
        assert.deepEqual(await contentsOf(store, generation), new Map(entries))
        await fold(store, generation, batch(1, 0, 1))
      })

      test('is dropped from once it answers again, and the others before', async (store, shard) => {
        const back = await cutOff(store, shard)
        const admin = store.backend.admin(generation)
        await assertThrows('view-unavailable', 'drop', () => admin.drop(shard))
        const others = store.shards.filter(name => name !== shard)
        for (const other of others) await admin.drop(other)
        for (const other of others) assert.equal(await admin.open(other), 'dropped')
        await back()
        await admin.drop(shard)
        assert.equal(await admin.open(shard), 'dropped')
        assert.equal((await admin.stats(shard)).entries, 0)
      })
    })
  }
}

async function assertOthersGoOn(store: Store, shard: string, of: Generation): Promise<void> {
  for (const other of store.shards.filter(name => name !== shard)) {
    assert.deepEqual((await store.backend.reader(of).get([idOf(store, other)])).map(textOf), ['1'])
    assert.equal((await store.backend.admin(of).scan(other, { limit: 1 })).found.length, 1)
    const outcome = await store.backend.writer(of).apply(other, batch(2, 0, 1))
    assert.deepEqual(outcome, { kind: 'applied' })
  }
}
