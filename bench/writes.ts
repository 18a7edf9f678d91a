import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type Broker, startKafka } from '../test/services/kafka.ts'
import { readByKcat } from '../test/support/kafka-clients.ts'
import { differences } from '../test/system/cities.ts'
import { foldTopic } from '../test/system/kafka-fold.ts'
import { onKafka } from '../test/system/kafka-processes.ts'
import { entriesOf } from '../test/system/running.ts'
import { type Answered, openLoop, percentile } from './support/open-loop.ts'

const PARTITIONS = 10
/** Each is written again and again. */
const IDS = 5_000
const VALUE_BYTES = 240
/** What is in the log is to be in the view by then, counted from the last answer. */
const FOLDED_MS = 60_000
const LOOK_MS = 500
const WARM_UP = { rate: 500, seconds: 4, connections: 50 }

export interface WritesOptions {
  readonly rate: number
  readonly connections: number
  readonly seconds: number
  /** The broker is killed with -9 so long after the first write, and started again so much later. */
  readonly killAfterMs: number
  readonly startAfterMs: number
}

/** A minute at 1,000 writes a second from 50 connections, the broker killed after 20 s and started 3 s later. */
export const FULL: WritesOptions = { rate: 1_000, connections: 50, seconds: 60, killAfterMs: 20_000, startAfterMs: 3_000 }

export interface WritesReport {
  readonly answers: readonly Answered[]
  /** From the kill until the broker answered again. */
  readonly brokerAwayMs: number
  /** What was told and isn't so: acknowledged writes that aren't in the log at their offset, and once; writes refused with 503 that are in the log; any that is there twice. */
  readonly faults: readonly string[]
  /** Ids whose entry in the view isn't what the log says. */
  readonly differences: readonly string[]
}

/** Writes through one API process, with a worker beside it, while the broker dies and comes back; then holds what was answered against the log, as kcat reads it. */
export async function runWrites(options: WritesOptions): Promise<WritesReport> {
  await using kafka = await startKafka({ heapMegabytes: 512 })
  const { bootstrap } = kafka
  const [broker] = kafka.brokers
  if (broker === undefined) throw new Error('There is a broker')
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-writes-'))
  const api = onKafka({ bootstrap, dataDir, role: 'api' })
  const worker = onKafka({ bootstrap, dataDir, role: 'worker' })
  const processes = [api, worker]
  try {
    for (const each of processes) await each.ready()
    const { url } = api
    // Compiled code, and connections to every leader, as a process has them that has run for a while.
    await openLoop({ ...WARM_UP, request: nth => ({ url: `${url}/api/job/warm-up`, body: String(nth) }) })
    const request = (nth: number) => ({ url: `${url}/api/job/${idOf(nth)}`, body: bodyOf(nth) })
    const [answers, brokerAwayMs] = await Promise.all([openLoop({ ...options, request }), killAndStart(broker, options)])
    return { answers, brokerAwayMs, faults: await faultsOf(answers, bootstrap), differences: await foldedDifferences(url, bootstrap) }
  } finally {
    await Promise.all(processes.map(each => each.end('SIGTERM')))
    rmSync(dataDir, { recursive: true })
  }
}

const idOf = (nth: number): string => `id-${nth % IDS}`
const bodyOf = (nth: number): string => `${`{"nth":${nth},"filler":"`.padEnd(VALUE_BYTES - 2, 'x')}"}`

async function killAndStart(broker: Broker, { killAfterMs, startAfterMs }: WritesOptions): Promise<number> {
  await wait(killAfterMs)
  const killedMs = performance.now()
  await broker.kill()
  await wait(startAfterMs)
  await broker.start()
  return performance.now() - killedMs
}

async function faultsOf(answers: readonly Answered[], bootstrap: string): Promise<readonly string[]> {
  const places = new Map<number, string[]>()
  for (let partition = 0; partition < PARTITIONS; partition++) {
    for (const { offset, value } of await readByKcat({ bootstrap, topic: 'job', partition, from: 0 })) {
      const { nth } = JSON.parse(value ?? '{}') as { nth?: number }
      if (nth !== undefined) places.set(nth, [...(places.get(nth) ?? []), `${partition}:${offset}`])
    }
  }
  return answers.flatMap(({ nth, status, place }) => {
    const found = places.get(nth) ?? []
    const right = place !== undefined ? found.length === 1 && found[0] === place : status === 503 ? found.length === 0 : found.length <= 1
    return right ? [] : [`write ${nth}, answered ${status} ${place ?? ''}, is at ${found.join(' and ') || 'no place'} in the log`]
  })
}

/** Looks until there are none. */
async function foldedDifferences(url: string, bootstrap: string): Promise<readonly string[]> {
  const log = await foldTopic(bootstrap, 'job')
  for (const untilMs = performance.now() + FOLDED_MS; ; await wait(LOOK_MS)) {
    const found = differences(await entriesOf(url, 'job'), log)
    if (found.length === 0 || performance.now() > untilMs) return found
  }
}

/** Answer times of a run, and how many answers there were of each kind, for people. */
export function describeWrites({ answers, brokerAwayMs }: WritesReport): string {
  const statuses = Map.groupBy(answers, ({ status }) => status)
  const counts = [...statuses].toSorted(([a], [b]) => a - b).map(([status, all]) => `${all.length.toLocaleString('en')} × ${status}`)
  const acknowledged = answers.filter(({ place }) => place !== undefined)
  return [
    `${answers.length.toLocaleString('en')} writes; the broker was away for ${shownMs(brokerAwayMs)} after kill -9`,
    `answers: ${counts.join(', ')}; acknowledged ${acknowledged.length.toLocaleString('en')}`,
    `longest time without an acknowledgement: ${shownMs(longestGapMs(acknowledged))}`,
    timesOf('answered, from when it was sent', answers, ({ sentMs }) => sentMs),
    timesOf('answered, from when it was due', answers, ({ dueMs }) => dueMs),
    timesOf('acknowledged, from when it was due', acknowledged, ({ dueMs }) => dueMs),
    '',
  ].join('\n')
}

function timesOf(what: string, answers: readonly Answered[], since: (answer: Answered) => number): string {
  const times = answers.map(answer => answer.answeredMs - since(answer)).toSorted((a, b) => a - b)
  const shown = [50, 99, 99.9].map(p => `p${p} ${shownMs(percentile(times, p))}`)
  return `${what.padEnd(36)} ${shown.join('  ')}  max ${shownMs(times.at(-1) ?? 0)}`
}

function longestGapMs(answers: readonly Answered[]): number {
  const times = answers.map(({ answeredMs }) => answeredMs).toSorted((a, b) => a - b)
  return times.reduce((gap, time, nth) => Math.max(gap, time - (times[nth - 1] ?? time)), 0)
}

const shownMs = (ms: number): string => (ms < 1_000 ? `${ms.toFixed(1)} ms` : `${(ms / 1_000).toFixed(2)} s`)

export async function bench(): Promise<void> {
  const report = await runWrites(FULL)
  process.stdout.write(describeWrites(report))
  const wrong = [...report.faults, ...report.differences]
  process.stdout.write(wrong.length === 0 ? 'log and view hold what was told\n' : `WRONG:\n${wrong.slice(0, 50).join('\n')}\n`)
  if (wrong.length > 0) process.exitCode = 1
}
