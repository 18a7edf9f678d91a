import assert from 'node:assert/strict'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { append, appended, del, hasCode, makeTopic, readAll, set, withLog } from './support.ts'

export function topics({ describe, it }: TestRunner, options: LogSuiteOptions): void {
  describe('topics', () => {
    it(
      'a topic that is not there is missing, unless it may be made',
      withLog(options, async ({ log }) => {
        await assert.rejects(makeTopic(log, { create: false }), hasCode('topic-missing'))
      }),
    )

    it(
      'a topic is made once, and keeps its id',
      withLog(options, async ({ log }) => {
        const made = await makeTopic(log, { partitions: 3 })
        const again = await makeTopic(log, { name: made.name, partitions: 3, create: false })
        assert.deepEqual(
          { name: again.name, id: again.id, partitions: again.partitions, recordBytesMax: again.recordBytesMax },
          { name: made.name, id: made.id, partitions: 3, recordBytesMax: made.recordBytesMax },
        )
        assert.notEqual((await makeTopic(log)).id, made.id)
      }),
    )

    it(
      'two who make the same topic at once get the same one',
      withLog(options, async ({ log, open }) => {
        const other = await open()
        const { name } = await makeTopic(log, { partitions: 2 })
        const racing = await Promise.all([log, other].map(each => makeTopic(each, { name: `${name}-raced`, partitions: 2 })))
        assert.equal(racing[0]?.id, racing[1]?.id)
      }),
    )

    it(
      'a topic with another number of partitions is a mismatch',
      withLog(options, async ({ log }) => {
        const { name } = await makeTopic(log, { partitions: 2 })
        await assert.rejects(makeTopic(log, { name, partitions: 3 }), hasCode('topic-mismatch'))
      }),
    )

    it(
      'a topic whose records go for their age takes and gives them like any other, and is found again',
      withLog(options, async ({ log, open }) => {
        const topic = await makeTopic(log, { deleteAfterMs: 3_600_000 })
        const other = await open()
        const again = await makeTopic(other, { name: topic.name, deleteAfterMs: 3_600_000, create: false })
        assert.equal(again.id, topic.id)
        assert.deepEqual(await appended(log, topic, [set('a', '1'), set('b', '2')]), [0, 1])
        assert.deepEqual(await appended(other, again, [del('a')]), [2])
        assert.deepEqual(await readAll(log, topic), [
          { offset: 0, key: 'a', value: '1' },
          { offset: 1, key: 'b', value: '2' },
          { offset: 2, key: 'a', value: null },
        ])
      }),
    )

    it(
      'a topic whose records go for their age is none to fold from, nor is another one to be taken for it',
      withLog(options, async ({ log }) => {
        const [kept, aging] = [await makeTopic(log), await makeTopic(log, { deleteAfterMs: 3_600_000 })]
        await assert.rejects(makeTopic(log, { name: aging.name }), hasCode('topic-mismatch'))
        await assert.rejects(makeTopic(log, { name: kept.name, deleteAfterMs: 3_600_000 }), hasCode('topic-mismatch'))
      }),
    )

    it(
      'topics are apart',
      withLog(options, async ({ log }) => {
        const [a, b] = [await makeTopic(log, { partitions: 2 }), await makeTopic(log, { partitions: 2 })]
        await appended(log, a, [set('k', 'a', 1)])
        await appended(log, b, [set('k', 'b', 1), set('k', 'b2', 1)])
        assert.deepEqual(await readAll(log, a, 1), [{ offset: 0, key: 'k', value: 'a' }])
        assert.deepEqual(await log.endOffsets(a), [0, 1])
        assert.deepEqual(await log.endOffsets(b), [0, 2])
      }),
    )

    it(
      'a record longer than the topic takes is refused, and only that',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log)
        const tooLong = set('long', 'x'.repeat(topic.recordBytesMax))
        const outcomes = await append(log, topic, [set('a', '1'), tooLong, set('b', '2')])
        assert.deepEqual(
          outcomes.map(({ kind }) => kind),
          ['appended', 'refused', 'appended'],
        )
        const keys = (await readAll(log, topic)).map(({ key }) => key)
        assert.deepEqual(keys, ['a', 'b'])
      }),
    )

    it(
      'a topic made for longer records takes them',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log, { recordBytesMax: 3_000_000 })
        const value = 'x'.repeat(2_500_000)
        assert.deepEqual(await appended(log, topic, [set('long', value), set('longer', value)]), [0, 1])
        assert.deepEqual(await readAll(log, topic), [
          { offset: 0, key: 'long', value },
          { offset: 1, key: 'longer', value },
        ])
      }),
    )
  })
}
