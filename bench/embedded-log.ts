import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '../src/log/embedded/log.ts'
import type { Log, LogWriter, Topic } from '../src/model/log.ts'
import type { NewRecord } from '../src/model/record.ts'
import { quiet } from '../test/support/quiet.ts'
import { type Figures, perSecond, printMedians } from './support/rounds.ts'

/**
 * The embedded log by itself: `npm run bench -- embedded-log`.
 * Medians of three rounds, each on a new file: appends of one record by 1 caller and by 64 at once, each awaited; then a load of 500,000 records of 240
 * bytes in calls of 1,000; then these read from position 0, ten partitions at once, every record looked at.
 */

const ROUNDS = 3
const PARTITIONS = 10
const RECORDS = 500_000
const LOAD_CALL_RECORDS = 1_000
const VALUE = Buffer.alloc(226, 'x')
const DEADLINE_MS = 60_000

const record = (nth: number): NewRecord => ({
  partition: nth % PARTITIONS,
  key: Buffer.from(`key-${String(nth).padStart(10, '0')}`),
  value: VALUE,
})

async function append(writer: LogWriter, records: readonly NewRecord[]): Promise<void> {
  const outcomes = await writer.append(records, DEADLINE_MS)
  if (outcomes.some(({ kind }) => kind !== 'appended')) throw new Error(`Not appended: ${JSON.stringify(outcomes[0])}`)
}

/** How many a second. */
async function rate(count: number, work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return perSecond(count, startMs)
}

async function appendByCallers(writer: LogWriter, callers: number, appendsEach: number): Promise<void> {
  const caller = async (): Promise<void> => {
    for (let nth = 0; nth < appendsEach; nth++) await append(writer, [record(nth)])
  }
  await Promise.all(Array.from({ length: callers }, caller))
}

async function load(writer: LogWriter): Promise<void> {
  for (let from = 0; from < RECORDS; from += LOAD_CALL_RECORDS) {
    await append(
      writer,
      Array.from({ length: LOAD_CALL_RECORDS }, (_, at) => record(from + at)),
    )
  }
}

async function readAll(log: Log, topic: Topic): Promise<void> {
  const counts = await Promise.all(
    Array.from({ length: topic.partitions }, async (_, partition) => {
      const reader = log.reader(topic, partition, 0)
      for (let count = 0; ; ) {
        const stretch = await reader.next(0)
        for (const cursor = stretch.records(); cursor.next(); ) count++
        if (stretch.next === stretch.endOffset) return count
      }
    }),
  )
  const count = counts.reduce((a, b) => a + b)
  if (count !== RECORDS) throw new Error(`Read ${count} of ${RECORDS} records`)
}

async function round(): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'logfold-bench-'))
  try {
    const path = join(folder, 'log.sqlite')
    const log = await openEmbeddedLog({ path, logger: quiet })
    const spec = { partitions: PARTITIONS, replication: -1, create: true }
    const single = log.writer(await log.topic({ ...spec, name: 'single' }))
    const topic = await log.topic({ ...spec, name: 'bulk' })
    const figures = {
      'appends/s, 1 caller': await rate(2_000, () => appendByCallers(single, 1, 2_000)),
      'appends/s, 64 callers': await rate(32_000, () => appendByCallers(single, 64, 500)),
      'records/s, load in calls of 1,000': await rate(RECORDS, () => load(log.writer(topic))),
      'records/s, read': await rate(RECORDS, () => readAll(log, topic)),
    }
    await log.close()
    const { size } = await stat(path)
    return { ...figures, 'file, MB': size / 1e6, 'peak memory of the process, MB': process.resourceUsage().maxRSS / 1000 }
  } finally {
    await rm(folder, { recursive: true })
  }
}

export const bench = (): Promise<void> => printMedians('The embedded log', ROUNDS, round)
