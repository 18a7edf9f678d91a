import assert from 'node:assert/strict'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { append, appended, DEADLINE_MS, del, makeTopic, readAll, set, withLog } from './support.ts'

export function appending({ describe, it }: TestRunner, options: LogSuiteOptions): void {
  describe('appending', () => {
    it(
      'gives each record the next offset of its partition, in the order given',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log, { partitions: 3 })
        const records = [set('a', '1', 0), set('b', '2', 2), set('a', '3', 0), del('b', 2), set('c', '4', 2)]
        assert.deepEqual(await appended(log, topic, records), [0, 0, 1, 1, 2])
        assert.deepEqual(await log.endOffsets(topic), [2, 0, 3])
        assert.deepEqual(await readAll(log, topic, 2), [
          { offset: 0, key: 'b', value: '2' },
          { offset: 1, key: 'b', value: null },
          { offset: 2, key: 'c', value: '4' },
        ])
      }),
    )

    it(
      'takes no records at all',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log)
        assert.deepEqual(await append(log, topic, []), [])
        assert.deepEqual(await log.endOffsets(topic), [0])
      }),
    )

    it(
      'keeps bytes as they are: empty, NUL, no UTF-8',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log)
        const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
        const pairs = [all, Buffer.of(), Buffer.of(0), Buffer.of(0xed, 0xa0, 0x80), Buffer.of(0xc3), Buffer.of(0, 0, 255)]
        await appended(
          log,
          topic,
          pairs.map((value, nth) => ({ partition: 0, key: pairs.at(nth - 1) ?? Buffer.of(1), value })),
        )
        const reader = log.reader(topic, 0, 0)
        const cursor = (await reader.next(0)).records()
        for (const [nth, value] of pairs.entries()) {
          assert.equal(cursor.next(), true)
          assert.deepEqual(Buffer.from(cursor.buffer.subarray(cursor.keyStart, cursor.keyEnd)), pairs.at(nth - 1))
          assert.deepEqual(Buffer.from(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd)), value)
        }
        assert.equal(cursor.next(), false)
      }),
    )

    it(
      options.traits.nullKeys === 'taken' ? 'a null key is kept' : 'a null key is refused',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log)
        const record = { partition: 0, key: null, value: Buffer.from('v') }
        const [outcome] = await append(log, topic, [record, { ...record, value: null }])
        if (options.traits.nullKeys === 'refused') assert.equal(outcome?.kind, 'refused')
        else {
          assert.deepEqual(await readAll(log, topic), [
            { offset: 0, key: null, value: 'v' },
            { offset: 1, key: null, value: null },
          ])
        }
      }),
    )

    it(
      'calls that overlap keep their order, and no record is lost or doubled',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log, { partitions: 2 })
        const writer = log.writer(topic)
        const calls = Array.from({ length: 300 }, (_, nth) =>
          writer.append([set(`k${nth}`, 'first', nth % 2), set(`k${nth}`, 'second', nth % 2)], DEADLINE_MS),
        )
        const outcomes = await Promise.all(calls)
        const expected = Array.from({ length: 300 }, (_, nth) => {
          const offset = 2 * Math.floor(nth / 2)
          return [offset, offset + 1].map(each => ({ kind: 'appended', offset: each }))
        })
        assert.deepEqual(outcomes, expected)
        for (const partition of [0, 1]) {
          const expectedRecords = Array.from({ length: 300 }, (_, offset) => ({
            offset,
            key: `k${2 * Math.floor(offset / 2) + partition}`,
            value: offset % 2 === 0 ? 'first' : 'second',
          }))
          assert.deepEqual(await readAll(log, topic, partition), expectedRecords)
        }
      }),
    )

    it(
      'two processes may append to one partition: each record has an offset of its own',
      withLog(options, async ({ log, open }) => {
        const topic = await makeTopic(log)
        const other = await open()
        const sameTopic = await makeTopic(other, { name: topic.name })
        const appendMany = async (to: typeof log, its: typeof topic, name: string): Promise<readonly string[]> => {
          const offsets: string[] = []
          for (let nth = 0; nth < 40; nth++) {
            const [offset] = await appended(to, its, [set(name, `${nth}`)])
            offsets.push(`${offset} ${name} ${nth}`)
          }
          return offsets
        }
        const acknowledged = await Promise.all([appendMany(log, topic, 'a'), appendMany(other, sameTopic, 'b')])
        const read = (await readAll(log, topic)).map(({ offset, key, value }) => `${offset} ${key} ${value}`)
        const byOffset = (line: string): number => Number.parseInt(line, 10)
        assert.deepEqual(
          read,
          acknowledged.flat().toSorted((a, b) => byOffset(a) - byOffset(b)),
        )
      }),
    )
  })
}
