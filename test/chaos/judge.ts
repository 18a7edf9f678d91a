import { setTimeout as wait } from 'node:timers/promises'
import { kafkaTool } from '../services/kafka-tools.ts'
import { type Capture, readTopic } from './capture.ts'
import type { Poison } from './direct.ts'
import { History } from './history.ts'
import type { HttpClient } from './http.ts'
import { judgeLetters, type LettersJudged } from './judge-letters.ts'
import { judgeReads, type ReadsJudged } from './judge-reads.ts'
import { differences, judgeStores } from './judge-stores.ts'
import { judgeWrites, type WritesJudged } from './judge-writes.ts'
import { chaosKeys } from './keys.ts'
import type { Ledger } from './ledger.ts'
import { PARTITIONS, TOPIC, VIEWS, type World } from './world.ts'

const CAPTURED_MS = 30_000

export interface Verdict {
  readonly violations: readonly string[]
  readonly records: number
  /** Offsets that compaction removed before the capture read them. */
  readonly holes: number
  /** What is left of the topic at the end. */
  readonly left: number
  readonly entries: number
  readonly views: number
  readonly writes: WritesJudged
  readonly reads: ReadsJudged
  readonly letters: LettersJudged
}

export interface Parts {
  readonly world: World
  readonly ledger: Ledger
  readonly capture: Capture
  readonly http: HttpClient
  readonly poisons: readonly Poison[]
}

/** Holds everything that was told against what librdkafka read of the topic. To be called when nothing is written any more. */
export async function judge({ world, ledger, capture, http, poisons }: Parts): Promise<Verdict> {
  const uncaptured = await untilCaptured(world, capture)
  const history = new History(capture.records, ledger, chaosKeys)
  const expected = history.fold(ledger)
  const left = await readTopic(world.direct, TOPIC)
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => left.filter(record => record.partition === partition))
  const again = new History(partitions, ledger, chaosKeys)
  const writes = judgeWrites(ledger, history)
  const reads = judgeReads(ledger, history, chaosKeys)
  const letters = await judgeLetters(world, history, poisons)
  const violations = [
    ...ledger.violations,
    ...capture.violations,
    ...uncaptured,
    ...history.violations,
    ...differences('the topic, read again from its beginning', again.fold(ledger), expected),
    ...writes.violations,
    ...reads.violations,
    ...letters.violations,
    ...(await judgeStores(world, http, expected)),
  ]
  const { records, holes } = history
  return { violations, records, holes, left: left.length, entries: expected.size, views: VIEWS.length, writes, reads, letters }
}

/** Until the capture has come to the end of every partition. */
async function untilCaptured({ direct }: World, capture: Capture): Promise<readonly string[]> {
  const told = await kafkaTool('kafka-get-offsets', ['--bootstrap-server', direct, '--topic', TOPIC])
  const ends = told
    .trim()
    .split('\n')
    .map(line => line.split(':').slice(1).map(Number))
  const giveUpMs = Date.now() + CAPTURED_MS
  for (;;) {
    const short = ends.filter(([partition = 0, end = 0]) => capture.position(partition) < end)
    if (short.length === 0) return []
    if (Date.now() > giveUpMs)
      return short.map(([partition = 0, end]) => `The capture of partition ${partition} is at ${capture.position(partition)} of ${end}`)
    await wait(100)
  }
}
