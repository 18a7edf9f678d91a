import assert from 'node:assert/strict'
import { type Checkpoint, checkpointZero } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { at, batch, contentsOf, del, fillAll, fold, openAll, openWith, set } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

const generation = generationOf()

/** An id the first shard owns. */
function ownId(store: Store): string {
  for (let number = 0; ; number++) if (store.backend.owner(`id-${number}`) === store.shards[0]) return `id-${number}`
}

export function applying(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store, shard: string) => Promise<void>) =>
    storeCase(runner, options, name, async store => {
      await openAll(store, generation)
      await work(store, store.shards[0] ?? '')
    })

  runner.describe('apply', () => {
    test('takes a batch whose begin equals the checkpoint, and keeps the checkpoint as given', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const checkpoint: Checkpoint = { position: 7, vouched: 5, tombstonesRemovedTo: 3, leaderEpoch: 12, atEndMs: 1_700_000_000_999 }
      assert.deepEqual(await writer.apply(shard, { partition: 1, from: 0, vouched: 0, checkpoint, ops: [] }), { kind: 'applied' })
      assert.deepEqual(await writer.checkpoints(shard), { kind: 'open', checkpoints: [checkpointZero, checkpoint, checkpointZero] })
      assert.deepEqual(await store.backend.reader(generation).vouched(shard), [0, 5, 0])
    })

    test('keeps positions up to 2^53 - 1 exactly', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const checkpoint: Checkpoint = {
        position: Number.MAX_SAFE_INTEGER,
        vouched: Number.MAX_SAFE_INTEGER - 1,
        tombstonesRemovedTo: 2 ** 40,
        leaderEpoch: 2 ** 31 - 1,
        atEndMs: 8_640_000_000_000_000,
      }
      const op = set(ownId(store), '1', Number.MAX_SAFE_INTEGER - 2)
      assert.deepEqual(await writer.apply(shard, { partition: 0, from: 0, vouched: 0, checkpoint, ops: [op] }), { kind: 'applied' })
      assert.deepEqual(await writer.checkpoints(shard), { kind: 'open', checkpoints: [checkpoint, checkpointZero, checkpointZero] })
    })

    test('answers elsewhere, with its checkpoint, to a batch that begins anywhere else, and does nothing', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const id = ownId(store)
      await fold(store, generation, batch(0, 0, 10, [set(id, '"kept"', 3)]))
      await fillAll(store, generation)
      const elsewhere = { kind: 'elsewhere', checkpoint: at(10) }
      for (const [from, to] of [
        [0, 10],
        [0, 20],
        [9, 20],
        [11, 20],
        [11, 11],
      ] as const) {
        assert.deepEqual(await writer.apply(shard, batch(0, from, to, [set(id, '"wrong"'), set('new', '"wrong"')])), elsewhere)
        assert.deepEqual(await writer.apply(shard, batch(0, from, to, [del(id)])), elsewhere)
      }
      assert.deepEqual(await contentsOf(store, generation), new Map([[id, '"kept"']]))
      assert.deepEqual(await writer.checkpoints(shard), { kind: 'open', checkpoints: [at(10), checkpointZero, checkpointZero] })
    })

    test("refuses a batch whose position fits and whose vouched position doesn't", async (store, shard) => {
      const writer = store.backend.writer(generation)
      const id = ownId(store)
      const behindHole: Checkpoint = { ...at(13), vouched: 4 }
      await fold(store, generation, { ...batch(0, 0, 13, [set(id, '"kept"', 3)]), checkpoint: behindHole })
      await fillAll(store, generation)
      for (const vouched of [0, 3, 5, 13]) {
        // As a worker would go on that knows the shard from before it was lost; renew what is vouched for; and mend.
        for (const checkpoint of [at(14), at(13), behindHole]) {
          const late = { partition: 0, from: 13, vouched, checkpoint, ops: [set(id, '"wrong"', 13)] }
          assert.deepEqual(await writer.apply(shard, late), { kind: 'elsewhere', checkpoint: behindHole })
          assert.deepEqual(await writer.apply(shard, { ...late, ops: [] }), { kind: 'elsewhere', checkpoint: behindHole })
        }
      }
      assert.deepEqual(await contentsOf(store, generation), new Map([[id, '"kept"']]))
      assert.deepEqual(await writer.checkpoints(shard), { kind: 'open', checkpoints: [behindHole, checkpointZero, checkpointZero] })
      const next = { partition: 0, from: 13, vouched: 4, checkpoint: at(14), ops: [] }
      assert.deepEqual(await writer.apply(shard, next), { kind: 'applied' })
    })

    test('takes a repeated batch once', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const repeated = batch(0, 0, 1, [set(ownId(store), '1')])
      assert.deepEqual(await writer.apply(shard, repeated), { kind: 'applied' })
      assert.deepEqual(await writer.apply(shard, repeated), { kind: 'elsewhere', checkpoint: at(1) })
    })

    test('takes a repair, whose begin and end are the checkpoint, as often as it comes', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const id = ownId(store)
      await fold(store, generation, batch(0, 0, 4, [set(id, '"old"')]))
      await fillAll(store, generation)
      const repair = { partition: 0, from: 4, vouched: 4, checkpoint: at(4), ops: [set(id, '"repaired"')] }
      for (const _ of [1, 2]) assert.deepEqual(await writer.apply(shard, repair), { kind: 'applied' })
      assert.deepEqual(await contentsOf(store, generation), new Map([[id, '"repaired"']]))
    })

    test('renews what a checkpoint vouches for, where begin and end are its position', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const behindHole: Checkpoint = { position: 9, vouched: 2, tombstonesRemovedTo: -1, leaderEpoch: 1, atEndMs: 0 }
      const atEnd: Checkpoint = { position: 9, vouched: 9, tombstonesRemovedTo: -1, leaderEpoch: 1, atEndMs: 1_700_000_000_000 }
      await writer.apply(shard, { partition: 2, from: 0, vouched: 0, checkpoint: behindHole, ops: [] })
      assert.deepEqual(await store.backend.reader(generation).vouched(shard), [0, 0, 2])
      assert.deepEqual(await writer.apply(shard, { partition: 2, from: 9, vouched: 2, checkpoint: atEnd, ops: [] }), { kind: 'applied' })
      assert.deepEqual(await store.backend.reader(generation).vouched(shard), [0, 0, 9])
      assert.deepEqual(await writer.checkpoints(shard), { kind: 'open', checkpoints: [checkpointZero, checkpointZero, atEnd] })
    })

    test('answers lost for a partition without a checkpoint: it is never 0', async (store, shard) => {
      assert.deepEqual(await store.backend.writer(generation).apply(shard, batch(3, 0, 1)), { kind: 'lost' })
    })

    test('answers lost for all checkpoints where one is missing, and open makes it anew', async (store, shard) => {
      const wider = { ...generation, partitions: 4 }
      const id = ownId(store)
      await fold(store, generation, batch(0, 0, 1, [set(id, '1')]))
      assert.deepEqual(await store.backend.writer(wider).checkpoints(shard), { kind: 'lost' })
      assert.equal(await store.backend.admin(wider).open(shard), 'opened')
      assert.equal((await store.backend.admin(wider).stats(shard)).entries, 0)
    })

    test('sets, overwrites and deletes; deleting what is not there does nothing', async store => {
      await fold(store, generation, batch(0, 0, 3, [set('a', '1'), set('b', '2'), del('never')]))
      await fold(store, generation, batch(1, 0, 3, [set('a', '3'), del('b'), set('c', '4')]))
      await fold(store, generation, batch(0, 3, 5, [set('b', '5'), del('c')]))
      await fillAll(store, generation)
      assert.deepEqual(await contentsOf(store, generation), new Map(Object.entries({ a: '3', b: '5' })))
    })

    test('lets each partition go on for itself, at the same time', async (store, shard) => {
      const writer = store.backend.writer(generation)
      const outcomes = await Promise.all([0, 1, 2].map(partition => writer.apply(shard, batch(partition, 0, partition + 1))))
      assert.deepEqual(outcomes, Array(3).fill({ kind: 'applied' }))
      assert.deepEqual(await writer.checkpoints(shard), { kind: 'open', checkpoints: [at(1), at(2), at(3)] })
    })

    test('of two writers with the same begin, one wins, and the other changes nothing', async (store, shard) => {
      const id = ownId(store)
      const outcomes = await Promise.all(
        ['first', 'second'].map(name => store.backend.writer(generation).apply(shard, batch(0, 0, 1, [set(id, JSON.stringify(name))]))),
      )
      assert.deepEqual(outcomes.map(outcome => outcome.kind).toSorted(), ['applied', 'elsewhere'])
      const winner = outcomes[0]?.kind === 'applied' ? 'first' : 'second'
      for (const other of store.shards.slice(1)) await store.backend.writer(generation).apply(other, batch(0, 0, 1))
      await fillAll(store, generation)
      assert.deepEqual(await contentsOf(store, generation), new Map([[id, JSON.stringify(winner)]]))
    })
  })

  storeCase(runner, options, 'a batch of 20,000 ops goes in as one', async store => {
    const ids = Array.from({ length: 20_000 }, (_, number) => `id-${number}`)
    await openWith(
      store,
      generation,
      ids.map(id => [id, JSON.stringify({ id })]),
    )
    assert.deepEqual(await contentsOf(store, generation), new Map(ids.map(id => [id, JSON.stringify({ id })])))
  })
}
