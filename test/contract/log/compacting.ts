import assert from 'node:assert/strict'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { appended, del, makeTopic, readAll, readToEnd, recordsOf, set, withLog } from './support.ts'

export function compacting({ describe, it }: TestRunner, options: LogSuiteOptions): void {
  if (!options.compacts) return
  describe('compaction', () => {
    it(
      'removes what was superseded, and reading says where',
      withLog(options, async ({ log, underTest }) => {
        const topic = await makeTopic(log)
        await appended(log, topic, [set('a', '1'), set('b', '2'), set('a', '3'), set('c', '4'), del('b'), set('d', '5')])
        await underTest.compact?.(log, topic)
        const expected = [
          { offset: 2, key: 'a', value: '3' },
          { offset: 3, key: 'c', value: '4' },
          { offset: 4, key: 'b', value: null },
          { offset: 5, key: 'd', value: '5' },
        ]
        const at = async (from: number): Promise<unknown> => {
          const stretches = await readToEnd(log.reader(topic, 0, from), from)
          const holes = stretches.flatMap(({ hole }) => hole ?? [])
          return { records: stretches.flatMap(recordsOf), holes, end: stretches.at(-1)?.next }
        }
        assert.deepEqual(await at(0), { records: expected, holes: [0], end: 6 })
        assert.deepEqual(await at(1), { records: expected, holes: [1], end: 6 })
        assert.deepEqual(await at(2), { records: expected, holes: [], end: 6 })
        assert.deepEqual(await at(3), { records: expected.slice(1), holes: [], end: 6 })
      }),
    )

    it(
      'a position inside a hole is good, and the end offset stays',
      withLog(options, async ({ log, underTest }) => {
        const topic = await makeTopic(log)
        await appended(
          log,
          topic,
          Array.from({ length: 10 }, (_, nth) => set('k', `${nth}`)),
        )
        await appended(log, topic, [set('other', 'v')])
        await underTest.compact?.(log, topic)
        const stretch = await log.reader(topic, 0, 4).next(0)
        const { from, next, endOffset, hole } = stretch
        assert.deepEqual({ from, next, endOffset, hole }, { from: 4, next: 11, endOffset: 11, hole: 4 })
        assert.deepEqual(
          recordsOf(stretch).map(({ offset }) => offset),
          [9, 10],
        )
        assert.deepEqual(await appended(log, topic, [set('k', 'next')]), [11])
      }),
    )

    it(
      'nothing is missing for who was at the end, nor for who starts from 0',
      withLog(options, async ({ log, underTest }) => {
        const topic = await makeTopic(log)
        await appended(log, topic, [set('a', '1'), set('a', '2'), del('b'), set('a', '3')])
        await underTest.compact?.(log, topic)
        assert.equal(await log.missingDeletes(topic, 0, { position: 4, atEndMs: Date.now(), tombstonesRemovedTo: -1 }), 'none')
        assert.equal(await log.missingDeletes(topic, 0, { position: 0, atEndMs: 0, tombstonesRemovedTo: -1 }), 'none')
        assert.deepEqual(
          (await readAll(log, topic)).map(({ offset }) => offset),
          [2, 3],
        )
      }),
    )
  })
}
