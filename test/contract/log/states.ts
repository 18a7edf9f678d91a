import assert from 'node:assert/strict'
import type { Log, LogReader, LogWriter, Topic } from '../../../src/model/log.ts'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { RecordingMember } from './groups.ts'
import { DEADLINE_MS, hasCode, makeTopic, set, withLog } from './support.ts'

interface Parts {
  readonly log: Log
  readonly topic: Topic
  readonly writer: LogWriter
  readonly reader: LogReader
}

/** Every operation there is. */
const operations: Readonly<Record<string, (parts: Parts) => Promise<unknown>>> = {
  reach: ({ log }) => log.reach(),
  topic: ({ log, topic }) => makeTopic(log, { name: topic.name }),
  endOffsets: ({ log, topic }) => log.endOffsets(topic),
  reader: async ({ log, topic }) => log.reader(topic, 0, 0),
  'reader.next': ({ reader }) => reader.next(0),
  writer: async ({ log, topic }) => log.writer(topic),
  'writer.append': ({ writer }) => writer.append([set('k', 'v')], DEADLINE_MS),
  join: ({ log, topic }) => log.join('g', topic, new RecordingMember()),
  members: ({ log }) => log.members('g'),
  missingDeletes: ({ log, topic }) => log.missingDeletes(topic, 0, { position: 0, atEndMs: 0, tombstonesRemovedTo: -1 }),
}

export function states({ describe, it }: TestRunner, options: LogSuiteOptions): void {
  describe('when closed', () => {
    it(
      `every operation throws closed: ${Object.keys(operations).join(', ')}`,
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log)
        const parts = { log, topic, writer: log.writer(topic), reader: log.reader(topic, 0, 0) }
        await log.close()
        for (const [name, operation] of Object.entries(operations)) await assert.rejects(operation(parts), hasCode('closed'), name)
      }),
    )

    it(
      'closing twice is fine',
      withLog(options, async ({ log }) => {
        await Promise.all([log.close(), log.close()])
        await log.close()
      }),
    )

    it(
      'a call that waits for records ends, when the log or the reader is closed',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log, { partitions: 2 })
        const readers = [0, 1].map(partition => log.reader(topic, partition, 0))
        const waits = readers.map(reader => assert.rejects(reader.next(60_000), hasCode('closed')))
        // By then they have looked, and wait.
        await log.endOffsets(topic)
        readers[0]?.close()
        await waits[0]
        await log.close()
        await waits[1]
        for (const reader of readers) reader.close()
      }),
    )

    it(
      'what was being appended is appended, or is said not to be',
      withLog(options, async ({ log, open }) => {
        const topic = await makeTopic(log)
        const writer = log.writer(topic)
        const calls = Array.from({ length: 50 }, (_, nth) => writer.append([set(`${nth}`, 'v')], DEADLINE_MS))
        await log.close()
        const outcomes = (await Promise.all(calls)).flat()
        const again = await open()
        const [endOffset] = await again.endOffsets(await makeTopic(again, { name: topic.name }))
        const kinds = outcomes.map(({ kind }) => kind)
        assert.deepEqual([kinds.filter(kind => kind === 'appended').length, kinds.filter(kind => kind === 'unknown').length], [endOffset, 0])
      }),
    )
  })
}
