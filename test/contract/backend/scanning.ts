import assert from 'node:assert/strict'
import type { Generation } from '../../../src/model/generation.ts'
import { limits } from '../../../src/model/limits.ts'
import { checkpointZero, type Found } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { IDS } from './edges.ts'
import { assertThrows, at, batch, bytesOf, del, fold, openAll, openWith, set, textOf } from './folding.ts'
import { scanPagesOf } from './paging.ts'
import { generationOf, type Store, storeCase } from './store.ts'

/** A list that keeps places of its own may do so in another way where the generation is ordered. */
const GENERATIONS = [generationOf({ ordered: true }), generationOf({ ordered: false })]

export function scanning(runner: TestRunner, options: SuiteOptions): void {
  for (const generation of GENERATIONS) {
    const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

    runner.describe(`scan of ${generation.ordered ? 'an ordered' : 'an unordered'} generation`, () => {
      test('finds every id within the limits on its shard, whatever the size of a page, and stands on nothing else', async store => {
        const entries = new Map(IDS.map(id => [id, JSON.stringify(id)]))
        await openWith(store, generation, [...entries])
        for (const limit of [1, 7, 1_000, 5_000]) {
          for (const shard of store.shards) {
            const owned = [...entries].filter(([id]) => store.backend.owner(id) === shard)
            assert.deepEqual(await scanAll(store, generation, shard, limit), new Map(owned), `${limit} entries a page`)
          }
        }
      })

      test('finds all of 12,000 entries, filled or not', async store => {
        const entries = new Map(Array.from({ length: 12_000 }, (_, number) => [`id-${number}`, String(number)]))
        await openAll(store, generation)
        const ops = [...entries].map(([id, value]) => set(id, value))
        await fold(store, generation, batch(0, 0, ops.length, ops))
        const found = new Map<string, string | undefined>()
        for (const shard of store.shards) for (const [id, value] of await scanAll(store, generation, shard, 500)) found.set(id, value)
        assert.deepEqual(found, entries)
      })

      test('finds what stands throughout at least once, while others are written and deleted', async store => {
        const kept = Array.from({ length: 60 }, (_, number) => `kept-${String(number).padStart(2, '0')}`)
        await openWith(
          store,
          generation,
          kept.map(id => [id, '1']),
        )
        const seen = new Set<string>()
        let round = 0
        for (const shard of store.shards) {
          for await (const found of pagesOf(store, generation, shard, 2)) {
            for (const { id, value, listed } of found) {
              assert.ok(listed && value !== undefined, `${id} was found by halves`)
              seen.add(id)
            }
            // Before and behind what is kept, so that the scan comes to an end.
            const come = round < 20 ? [set(`aaa-${round}`, '1'), set(`zzz-${round}`, '1')] : []
            const go = [del(`aaa-${round - 3}`), del(`zzz-${round - 3}`)]
            await fold(store, generation, batch(1, round, round + 1, [...come, ...go, set('kept-07', String(round))]))
            round++
          }
        }
        assert.deepEqual([...seen].filter(id => id.startsWith('kept-')).toSorted(), kept)
      })

      test('finds what stands on a shard that does not own it, where a repair put it, and a repair takes it away', async store => {
        await openWith(store, generation, { a: '1', b: '2', c: '3' })
        for (const shard of store.shards.filter(name => name !== store.backend.owner('b'))) {
          const before = await scanAll(store, generation, shard, 10)
          const repair = { partition: 0, from: 3, vouched: 3, checkpoint: at(3) }
          const writer = store.backend.writer(generation)
          assert.deepEqual(await writer.apply(shard, { ...repair, ops: [set('b', '"strayed"')] }), { kind: 'applied' })
          assert.deepEqual(await scanAll(store, generation, shard, 1), new Map([...before, ['b', '"strayed"']]))
          assert.deepEqual(await lookAll(store, generation, shard, ['b']), [['b', '"strayed"', true]])
          assert.deepEqual(await writer.apply(shard, { ...repair, ops: [del('b')] }), { kind: 'applied' })
          assert.deepEqual(await scanAll(store, generation, shard, 1), before)
        }
        assert.deepEqual((await store.backend.reader(generation).get(['b'])).map(textOf), ['2'])
      })

      test('of nothing finds nothing', async store => {
        await openAll(store, generation)
        for (const shard of store.shards) assert.deepEqual(await scanAll(store, generation, shard, 10), new Map())
      })

      test('goes on in another admin, and after a deletion of what the page ended with', async store => {
        const ids = Array.from({ length: 30 }, (_, number) => `id-${number}`)
        await openWith(
          store,
          generation,
          ids.map(id => [id, '1']),
        )
        const seen = new Set<string>()
        for (const shard of store.shards) {
          let cursor: string | undefined
          do {
            const page = await store.backend.admin(generation).scan(shard, { limit: 1, cursor })
            for (const { id } of page.found) {
              seen.add(id)
              await store.backend.writer(generation).apply(shard, { partition: 0, from: 30, vouched: 30, checkpoint: at(30), ops: [del(id)] })
            }
            cursor = page.cursor
          } while (cursor !== undefined)
        }
        assert.deepEqual(seen, new Set(ids))
      })
    })
  }

  runner.describe('scan and look', () => runOnce(runner, options))
}

function runOnce(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)
  const generation = generationOf({ format: 'text' })

  for (const cursor of ['', ' ', 'no cursor of ours', '%', '__proto__']) {
    test(`a scan refuses the cursor ${JSON.stringify(cursor)} as expired`, async store => {
      await openWith(store, generation, { a: '1' })
      await assertThrows('cursor-expired', 'scan', () => store.backend.admin(generation).scan(store.shards[0] ?? '', { limit: 1, cursor }))
    })
  }

  test('end where the values come to a page, so that no answer fills the memory', async store => {
    const large = new Map(Array.from({ length: 14 }, (_, number) => [`id-${number}`, String(number % 10).repeat(900_000)]))
    await openWith(store, generation, [...large])
    for (const shard of store.shards) {
      const owned = [...large].filter(([id]) => store.backend.owner(id) === shard)
      assert.deepEqual(await scanAll(store, generation, shard, 1_000), new Map(owned))
      const asked = [...large.keys(), 'absent']
      const expected = asked.map(id => (store.backend.owner(id) === shard && large.has(id) ? [id, large.get(id), true] : [id, undefined, false]))
      assert.deepEqual(await lookAll(store, generation, shard, asked), expected)
    }
  })

  test('a look gives one an id, in the order asked, there or not, asked twice or not', async store => {
    await openWith(store, generation, { a: 'A', b: '', c: 'C' })
    for (const shard of store.shards) {
      const asked = ['c', 'absent', 'a', 'b', 'a', '', 'B', 'with\0NUL']
      const expected = asked.map(id => {
        const value = store.backend.owner(id) === shard ? { a: 'A', b: '', c: 'C' }[id] : undefined
        return [id, value, value !== undefined]
      })
      assert.deepEqual(await lookAll(store, generation, shard, asked), expected)
    }
  })

  test('a look at every id within the limits finds its own, and no other', async store => {
    await openWith(
      store,
      generation,
      IDS.filter((_, number) => number % 2 === 0).map(id => [id, id]),
    )
    for (const shard of store.shards) {
      const expected = IDS.map((id, number) => (number % 2 === 0 && store.backend.owner(id) === shard ? [id, id, true] : [id, undefined, false]))
      assert.deepEqual(await lookAll(store, generation, shard, IDS), expected)
    }
  })

  test('a look at 3,000 ids comes to an end', async store => {
    const ids = Array.from({ length: 3_000 }, (_, number) => `id-${number}`)
    await openWith(
      store,
      generation,
      ids.map(id => [id, id]),
    )
    for (const shard of store.shards) {
      const expected = ids.map(id => (store.backend.owner(id) === shard ? [id, id, true] : [id, undefined, false]))
      assert.deepEqual(await lookAll(store, generation, shard, ids), expected)
    }
  })

  test('a look tells the checkpoints of the very moment: values and checkpoint are never of two batches', async store => {
    await openWith(store, generation, [])
    const shard = store.backend.owner('id')
    const writer = store.backend.writer(generation)
    let writing = true
    const looks: [value: string | undefined, position: number | undefined][] = []
    const looking = (async () => {
      while (writing) {
        const { found, checkpoints } = await store.backend.admin(generation).look(shard, ['id'])
        looks.push([textOf(found[0]?.value), checkpoints[1]?.position])
      }
    })()
    for (let position = 0; looks.length < 100 && position < 2_000; position++) {
      const ops = [position % 5 === 4 ? del('id') : set('id', String(position + 1))]
      assert.deepEqual(await writer.apply(shard, batch(1, position, position + 1, ops)), { kind: 'applied' })
    }
    writing = false
    await looking
    assert.ok(looks.length > 0)
    for (const [value, position = 0] of looks) assert.equal(value, position % 5 === 0 ? undefined : String(position))
  })

  test('a look at nothing tells the checkpoints, and one that misses a checkpoint is lost', async store => {
    await openWith(store, generation, { a: 'A' })
    for (const shard of store.shards) {
      const admin = store.backend.admin(generation)
      assert.deepEqual(await admin.look(shard, []), { found: [], checkpoints: [at(1), checkpointZero, checkpointZero] })
      await assertThrows('view-lost', 'look', () => store.backend.admin({ ...generation, partitions: 4 }).look(shard, ['a']))
    }
  })

  test('bytes come back as they are', async store => {
    const bytes = generationOf({ format: 'bytes' })
    const value = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    await openWith(store, bytes, [
      ['all', value],
      ['none', bytesOf('')],
    ])
    for (const id of ['all', 'none']) {
      const shard = store.backend.owner(id)
      const found = (await store.backend.admin(bytes).scan(shard, { limit: 9 })).found.find(one => one.id === id)
      for (const one of [found, (await store.backend.admin(bytes).look(shard, [id])).found[0]]) {
        assert.deepEqual(Buffer.from(one?.value ?? bytesOf('nothing')), Buffer.from(id === 'all' ? value : []))
      }
    }
  })

  test('see nothing of the generations beside', async store => {
    const beside = [generationOf({ number: 11 }), generationOf({ view: 'job_1' }), generationOf({ view: 'j' })]
    for (const each of [generation, ...beside]) await openWith(store, each, { same: `"${each.view}"`, [`${each.view}@${each.number}`]: '1' })
    for (const shard of store.shards) {
      const owned = [
        ['same', '"job"'],
        ['job@1', '1'],
      ].filter(([id = '']) => store.backend.owner(id) === shard) as [string, string][]
      assert.deepEqual(await scanAll(store, generation, shard, 10), new Map(owned))
      assert.deepEqual(await lookAll(store, generation, shard, ['job@11', 'j@1']), [
        ['job@11', undefined, false],
        ['j@1', undefined, false],
      ])
    }
  })
}

async function* pagesOf(store: Store, generation: Generation, shard: string, limit: number): AsyncGenerator<readonly Found[]> {
  for await (const page of scanPagesOf(store.backend.admin(generation), shard, { limit })) {
    assertFits(page)
    yield page
  }
}

/** All that stands on a shard, by id. Each has a value, and a place in the lists. */
async function scanAll(store: Store, generation: Generation, shard: string, limit: number): Promise<ReadonlyMap<string, string | undefined>> {
  const all = new Map<string, string | undefined>()
  for await (const found of pagesOf(store, generation, shard, limit)) {
    for (const { id, value, listed } of found) {
      assert.ok(listed, `${id} has no place in the lists`)
      all.set(id, textOf(value))
    }
  }
  return all
}

type Looked = readonly [id: string, value: string | undefined, listed: boolean]

/** What stands under these ids, look by look. */
async function lookAll(store: Store, generation: Generation, shard: string, ids: readonly string[]): Promise<readonly Looked[]> {
  const all: Looked[] = []
  while (all.length < ids.length) {
    const { found } = await store.backend.admin(generation).look(shard, ids.slice(all.length))
    assert.ok(found.length > 0, 'a look that finds out nothing')
    assertFits(found)
    for (const { id, value, listed } of found) all.push([id, textOf(value), listed])
  }
  return all
}

function assertFits(found: readonly Found[]): void {
  const bytes = found.slice(0, -1).reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
  assert.ok(bytes <= limits.pageBytes, `a page goes on behind ${bytes} bytes of values`)
}
