import assert from 'node:assert/strict'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, batch, compareBytes, contentsOf, del, fold, listAll, openWith, set, textOf } from './folding.ts'
import { pagesOf } from './paging.ts'
import { generationOf, type Store, storeCase } from './store.ts'

/** In UTF-8 U+FFFF comes before U+10000; in UTF-16 it is the other way round. `Z` comes before `a` in bytes, not in dictionaries. */
const IDS = [
  ...['!', '%', '_', 'A', 'Z', 'a', 'aa', 'ab', 'abc', 'abd', 'b', 'job', 'job/1', 'job/2', 'jobs', 'jo%', '~', '\u007f'],
  ...['\u0080', 'é', 'e\u0301', '\u07ff', '\u0800', '日本', '\ud7ff', '\ue000', '\uffff', '\uffffa', '\u{10000}', '\u{10000}a'],
  ...['\u{1f600}', '\u{1f600}\u{1f600}', '\u{10ffff}', '\u{10ffff}\u{10ffff}', '\u0001', 'a\u0001', 'a b', 'a\nb'],
]
const entries = IDS.map(id => [id, JSON.stringify(id)] as const)
const sorted = entries.toSorted(([a], [b]) => compareBytes(a, b))

export function listing(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)
  const inOrder = options.module.traits.order === 'always' ? [true, false] : [true]

  for (const ordered of inOrder) {
    const generation = generationOf({ ordered })
    runner.describe(`list in key order, ${ordered ? 'which was requested' : 'requested or not'}`, () => {
      test('gives all entries in the order of their bytes of UTF-8, whatever the size of a page', async store => {
        await openWith(store, generation, entries)
        for (let limit = 1; limit <= IDS.length + 1; limit++) {
          assert.deepEqual(await listAll(store, generation, { limit }), sorted, `with ${limit} entries a page`)
        }
      })

      test('takes a prefix, as bytes: no sign of it has a meaning', async store => {
        await openWith(store, generation, entries)
        const prefixes = ['', ...IDS, 'jo', 'e', '\u{10ffff}', 'x', 'job/3', '\\', '*', '[a-z]']
        for (const prefix of prefixes) {
          const expected = sorted.filter(([id]) => id.startsWith(prefix))
          for (const limit of [1, 2, 100]) {
            assert.deepEqual(await listAll(store, generation, { limit, prefix }), expected, `prefix ${JSON.stringify(prefix)}`)
          }
        }
      })

      test('gives what is there throughout exactly once while others come and go', async store => {
        const kept = Array.from({ length: 50 }, (_, number) => `kept-${String(number).padStart(2, '0')}`)
        await openWith(
          store,
          generation,
          kept.map(id => [id, '1']),
        )
        const seen = await pagesWhileChanging(store, generation)
        assert.deepEqual(
          seen.filter(id => id.startsWith('kept-')),
          kept,
        )
      })

      test('goes on after an entry that is deleted meanwhile', async store => {
        await openWith(store, generation, { a: '1', b: '2', c: '3' })
        const reader = store.backend.reader(generation)
        const first = await reader.list({ limit: 2 })
        await fold(store, generation, batch(1, 0, 1, [del('b')]))
        assert.ok(first.cursor !== undefined)
        const second = await reader.list({ limit: 2, cursor: first.cursor })
        assert.deepEqual(
          second.entries.map(({ id }) => id),
          ['c'],
        )
      })
    })
  }

  runner.describe('list', () => {
    const unordered = generationOf({ ordered: false })

    test('gives every entry at least once, whatever the size of a page', async store => {
      await openWith(store, unordered, entries)
      for (const limit of [1, 7, 1_000]) assert.deepEqual(new Map(await listAll(store, unordered, { limit })), new Map(entries))
    })

    test('gives what is there throughout at least once while others come and go', async store => {
      const kept = Array.from({ length: 50 }, (_, number) => `kept-${String(number).padStart(2, '0')}`)
      await openWith(
        store,
        unordered,
        kept.map(id => [id, '1']),
      )
      const seen = await pagesWhileChanging(store, unordered)
      assert.deepEqual(new Set(seen.filter(id => id.startsWith('kept-'))), new Set(kept))
    })

    test('of nothing is one page without entries and without a cursor', async store => {
      await openWith(store, unordered, [])
      assert.deepEqual(await store.backend.reader(unordered).list({ limit: 5 }), { entries: [], cursor: undefined })
    })

    test('goes on in another reader of the same generation', async store => {
      const generation = generationOf()
      await openWith(store, generation, { a: '1', b: '2', c: '3' })
      const first = await store.backend.reader(generation).list({ limit: 1 })
      assert.ok(first.cursor !== undefined)
      const second = await store.backend.reader(generation).list({ limit: 5, cursor: first.cursor })
      assert.deepEqual(
        second.entries.map(({ id, value }) => [id, textOf(value)]),
        [
          ['b', '2'],
          ['c', '3'],
        ],
      )
    })

    for (const cursor of ['', ' ', 'no cursor of ours', '%', '__proto__']) {
      test(`refuses the cursor ${JSON.stringify(cursor)} as expired`, async store => {
        await openWith(store, generationOf(), { a: '1' })
        await assertThrows('cursor-expired', 'list', () => store.backend.reader(generationOf()).list({ limit: 1, cursor }))
      })
    }

    test('reads large entries in pages that may be shorter than asked for', async store => {
      const generation = generationOf({ format: 'text' })
      const large = Array.from({ length: 12 }, (_, number) => [`id-${number}`, String(number % 10).repeat(900_000)] as const)
      await openWith(store, generation, large)
      assert.deepEqual(await contentsOf(store, generation), new Map(large))
    })
  })
}

/** All pages of two entries; between two pages some entries of no interest come, some go and some change. */
async function pagesWhileChanging(store: Store, generation: ReturnType<typeof generationOf>): Promise<readonly string[]> {
  const seen: string[] = []
  let round = 0
  for await (const page of pagesOf(store.backend.reader(generation), { limit: 2 })) {
    seen.push(...page.map(({ id }) => id))
    // Before and behind what is kept, so that the list comes to an end.
    const come = round < 20 ? [set(`aaa-${round}`, '1'), set(`zzz-${round}`, '1')] : []
    const go = [del(`aaa-${round - 3}`), del(`zzz-${round - 3}`)]
    await fold(store, generation, batch(1, round, round + 1, [...come, ...go, set('kept-07', String(round))]))
    round++
  }
  return seen
}
