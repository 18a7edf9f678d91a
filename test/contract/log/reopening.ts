import assert from 'node:assert/strict'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { appended, del, makeTopic, readAll, set, withLog } from './support.ts'

export function reopening({ describe, it }: TestRunner, options: LogSuiteOptions): void {
  describe('opening again', () => {
    it(
      'finds the same log, topics, records and next offsets',
      withLog(options, async ({ log, open }) => {
        const topic = await makeTopic(log, { partitions: 2 })
        await appended(log, topic, [set('a', '1', 1), del('a', 1)])
        const before = await readAll(log, topic, 1)
        await log.close()
        const again = await open()
        const sameTopic = await makeTopic(again, { name: topic.name, partitions: 2, create: false })
        assert.deepEqual([again.logId, sameTopic.id], [log.logId, topic.id])
        assert.deepEqual(await readAll(again, sameTopic, 1), before)
        assert.deepEqual(await appended(again, sameTopic, [set('a', '2', 1), set('a', '3', 0)]), [2, 0])
      }),
    )

    if (!options.compacts) return
    it(
      'an offset never comes again, though its record was removed',
      withLog(options, async ({ log, open, underTest }) => {
        const topic = await makeTopic(log)
        await appended(log, topic, [set('a', '1'), set('a', '2'), set('b', '3'), set('a', '4'), set('b', '5')])
        await underTest.compact?.(log, topic)
        await log.close()
        const again = await open()
        const sameTopic = await makeTopic(again, { name: topic.name })
        assert.deepEqual(await again.endOffsets(sameTopic), [5])
        assert.deepEqual(await appended(again, sameTopic, [set('c', '6')]), [5])
      }),
    )
  })
}
