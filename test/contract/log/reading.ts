import assert from 'node:assert/strict'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { appended, hasCode, makeTopic, readAll, readToEnd, recordsOf, set, withLog } from './support.ts'

export function reading(runner: TestRunner, options: LogSuiteOptions): void {
  runner.describe('reading', () => {
    positions(runner, options)
    waiting(runner, options)
    bounds(runner, options)
  })
}

function positions({ it }: TestRunner, options: LogSuiteOptions): void {
  it(
    'starts at the position given, and goes on from there',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log, { partitions: 2 })
      await appended(
        log,
        topic,
        ['0', '1', '2', '3'].map(value => set('k', value, 1)),
      )
      const reader = log.reader(topic, 1, 2)
      const first = await reader.next(0)
      const { partition, from, next, endOffset, hole } = first
      assert.deepEqual({ partition, from, next, endOffset, hole }, { partition: 1, from: 2, next: 4, endOffset: 4, hole: undefined })
      assert.deepEqual(recordsOf(first), [
        { offset: 2, key: 'k', value: '2' },
        { offset: 3, key: 'k', value: '3' },
      ])
      await appended(log, topic, [set('k', '4', 1)])
      assert.deepEqual(recordsOf(await reader.next(5_000)), [{ offset: 4, key: 'k', value: '4' }])
    }),
  )

  it(
    'a stretch may be walked several times, and stays as it is while reading goes on',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      await appended(log, topic, [set('a', '1')])
      const reader = log.reader(topic, 0, 0)
      const stretch = await reader.next(0)
      await appended(log, topic, [set('b', '2')])
      await reader.next(5_000)
      const expected = [{ offset: 0, key: 'a', value: '1' }]
      assert.deepEqual([recordsOf(stretch), recordsOf(stretch)], [expected, expected])
    }),
  )

  it(
    'readers do not disturb one another',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      await appended(
        log,
        topic,
        Array.from({ length: 20 }, (_, nth) => set(`k${nth}`, 'v')),
      )
      const [all, rest] = await Promise.all([readAll(log, topic, 0, 0), readAll(log, topic, 0, 15)])
      assert.deepEqual(
        [all, rest].map(records => records.map(({ offset }) => offset)),
        [Array.from({ length: 20 }, (_, nth) => nth), [15, 16, 17, 18, 19]],
      )
    }),
  )

  it(
    'tells the time of each record',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      const beforeMs = Date.now()
      await appended(log, topic, [set('k', 'v')])
      const cursor = (await log.reader(topic, 0, 0).next(0)).records()
      cursor.next()
      assert.ok(cursor.timestampMs >= beforeMs && cursor.timestampMs <= Date.now())
    }),
  )

  it(
    'a position beyond the end, or below the start, is out of range',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      await appended(log, topic, [set('k', 'v')])
      await assert.rejects(log.reader(topic, 0, 2).next(0), hasCode('offset-out-of-range'))
      await assert.rejects(log.reader(topic, 0, -1).next(0), hasCode('offset-out-of-range'))
      assert.equal((await log.reader(topic, 0, 1).next(0)).next, 1)
    }),
  )
}

function waiting({ it }: TestRunner, options: LogSuiteOptions): void {
  it(
    'an empty stretch tells the end offset',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      await appended(log, topic, [set('a', '1'), set('b', '2')])
      const { from, next, endOffset, hole, ...stretch } = await log.reader(topic, 0, 2).next(20)
      assert.deepEqual({ from, next, endOffset, hole }, { from: 2, next: 2, endOffset: 2, hole: undefined })
      assert.equal(stretch.records().next(), false)
    }),
  )

  it(
    'who waits at the end gets what comes, from this process or another',
    withLog(options, async ({ log, open }) => {
      const topic = await makeTopic(log, { partitions: 2 })
      const other = await open()
      const sameTopic = await makeTopic(other, { name: topic.name, partitions: 2 })
      const waits = [0, 1].map(partition => log.reader(topic, partition, 0).next(10_000))
      await appended(log, topic, [set('a', 'here', 0)])
      await appended(other, sameTopic, [set('b', 'there', 1)])
      const records = (await Promise.all(waits)).map(recordsOf)
      assert.deepEqual(records, [[{ offset: 0, key: 'a', value: 'here' }], [{ offset: 0, key: 'b', value: 'there' }]])
    }),
  )
}

function bounds({ it }: TestRunner, options: LogSuiteOptions): void {
  it(
    'a stretch is bounded in bytes, but holds a record at least',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      const value = 'x'.repeat(1_000_000)
      for (let nth = 0; nth < 5; nth++) await appended(log, topic, [set(`k${nth}`, value)])
      const stretches = await readToEnd(log.reader(topic, 0, 0), 0)
      for (const stretch of stretches) assert.ok(stretch.bytes >= 1_000_000 && stretch.bytes < 3_000_000, `${stretch.bytes} bytes`)
      const records = stretches.flatMap(recordsOf)
      assert.deepEqual(
        records.map(({ offset, key }) => [offset, key]),
        [0, 1, 2, 3, 4].map(nth => [nth, `k${nth}`]),
      )
      assert.ok(records.every(record => record.value === value))
    }),
  )

  it(
    'many records come each once, in order, over many stretches',
    withLog(options, async ({ log }) => {
      const topic = await makeTopic(log)
      const count = 30_000
      const offsets = await appended(
        log,
        topic,
        Array.from({ length: count }, (_, nth) => set(`k${nth}`, `${nth}`)),
      )
      assert.equal(offsets.at(-1), count - 1)
      const records = await readAll(log, topic)
      assert.equal(records.length, count)
      for (const [nth, record] of records.entries()) assert.deepEqual(record, { offset: nth, key: `k${nth}`, value: `${nth}` })
    }),
  )
}
