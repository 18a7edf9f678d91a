import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { AppendOutcome, Log, LogReader, Topic, TopicSpec } from '../../../src/model/log.ts'
import type { NewRecord, Offset, Stretch } from '../../../src/model/record.ts'
import type { LogSuiteOptions, LogUnderTest } from '../log-suite.ts'

export const DEADLINE_MS = 20_000

export interface Case {
  readonly log: Log
  readonly underTest: LogUnderTest
  /** Opens the same log once more; closed with the case. */
  open(): Promise<Log>
}

/** Runs a case on an empty log, and closes all of it afterwards. */
export function withLog(options: LogSuiteOptions, body: (testCase: Case) => Promise<void>): () => Promise<void> {
  return async () => {
    const underTest = await options.make()
    const opened: Log[] = []
    const open = async (): Promise<Log> => {
      const log = await underTest.open()
      opened.push(log)
      return log
    }
    try {
      await body({ log: await open(), underTest, open })
    } finally {
      await Promise.all(opened.map(log => log.close()))
      await underTest.dispose()
    }
  }
}

/** A topic of a name of its own, so that a log that outlives its cases fits too. */
export const makeTopic = (log: Log, spec: Partial<TopicSpec> = {}): Promise<Topic> =>
  log.topic({ name: `t-${randomUUID()}`, partitions: 1, replication: -1, create: true, ...spec })

/** A record in words: keys and values are UTF-8. */
export interface Plain {
  readonly offset: Offset
  readonly key: string | null
  readonly value: string | null
}

export const set = (key: string, value: string, partition = 0): NewRecord => ({
  partition,
  key: Buffer.from(key),
  value: Buffer.from(value),
})

export const del = (key: string, partition = 0): NewRecord => ({ partition, key: Buffer.from(key), value: null })

export const append = (log: Log, topic: Topic, records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> =>
  log.writer(topic).append(records, DEADLINE_MS)

/** The offsets, where every record was appended. */
export async function appended(log: Log, topic: Topic, records: readonly NewRecord[]): Promise<readonly Offset[]> {
  const outcomes = await append(log, topic, records)
  return outcomes.map(outcome => {
    assert.equal(outcome.kind, 'appended')
    return outcome.kind === 'appended' ? outcome.offset : -1
  })
}

export function recordsOf(stretch: Stretch): readonly Plain[] {
  const records: Plain[] = []
  const cursor = stretch.records()
  const text = (start: number, end: number): string | null => (end < 0 ? null : Buffer.from(cursor.buffer.subarray(start, end)).toString('utf8'))
  while (cursor.next()) {
    records.push({
      offset: cursor.offset,
      key: text(cursor.keyStart, cursor.keyEnd),
      value: text(cursor.valueStart, cursor.valueEnd),
    })
  }
  return records
}

/** Reads until caught up. Checks that the stretches follow one another. */
export async function readToEnd(reader: LogReader, from: Offset): Promise<readonly Stretch[]> {
  const stretches: Stretch[] = []
  for (let position = from; ; ) {
    const stretch = await reader.next(0)
    assert.equal(stretch.from, position)
    stretches.push(stretch)
    position = stretch.next
    if (position === stretch.endOffset) return stretches
    assert.ok(position < stretch.endOffset && position > stretch.from)
  }
}

/** Every record of a partition from a position on. */
export async function readAll(log: Log, topic: Topic, partition = 0, from: Offset = 0): Promise<readonly Plain[]> {
  const reader = log.reader(topic, partition, from)
  const stretches = await readToEnd(reader, from)
  reader.close()
  return stretches.flatMap(recordsOf)
}

export const hasCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof Error && 'code' in error, String(error))
  assert.equal(error.code, code)
  return true
}
