/**
 * Brings docker-compose.yml up as a project of its own, does what a user would, moves the view from Redis to Postgres and back, sees that every panel of the dashboard gets data, goes to
 * Postgres for good, and takes it down with its data. Its ports must be free.
 *
 *   npx node test/compose/smoke.ts                                                  with docker compose
 *   LOGFOLD_COMPOSE_WITHOUT=grafana npx node test/compose/smoke.ts podman-compose   another command, and not all services
 */
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import { run } from '../services/run.ts'
import { asked, dashboardQueries } from './dashboard.ts'

const API_1 = 'http://127.0.0.1:8080'
const API_2 = 'http://127.0.0.1:8081'
const PROMETHEUS = 'http://127.0.0.1:9090'
const COMMAND_MS = 600_000
const STEP_MS = 180_000
const LOOK_EACH_MS = 500

const [program = 'docker', ...args] = process.argv.length > 2 ? process.argv.slice(2) : ['docker', 'compose']
const without = (process.env.LOGFOLD_COMPOSE_WITHOUT ?? '').split(',')
const { services: all } = parse(readFileSync('docker-compose.yml', 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, unknown>>
}
const services = Object.keys(all).filter(name => !without.includes(name))
process.env.COMPOSE_PROJECT_NAME = 'logfold-smoke'

const compose = (...what: readonly string[]): Promise<string> => run(program, [...args, ...what], { timeoutMs: COMMAND_MS })

async function step(name: string, what: () => Promise<unknown>): Promise<void> {
  const startedMs = performance.now()
  await what()
  console.log(`${name}, in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}

/** Does it again until it goes well. */
async function until(what: () => Promise<void>): Promise<void> {
  const deadlineMs = performance.now() + STEP_MS
  for (;;) {
    try {
      return await what()
    } catch (error) {
      if (performance.now() > deadlineMs) throw error
      await wait(LOOK_EACH_MS)
    }
  }
}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(found, expected)) throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`)
}

async function write(url: string, init: RequestInit): Promise<string> {
  const response = await fetch(url, init)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${init.method} ${url}: ${response.status} ${text}`)
  return response.headers.get('logfold-offset') ?? ''
}

async function read(url: string, after?: string): Promise<string> {
  const response = await fetch(url, after === undefined ? {} : { headers: { 'logfold-after': after } })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`GET ${url}: ${response.status} ${text}`)
  return text
}

const ENTRY = '{"title":"Smoke"}'
const json = { 'content-type': 'application/json' }

/** Through one API and, read after the write, through the other. */
async function writesAndReads(): Promise<void> {
  const after = await write(`${API_1}/api/job/smoke`, { method: 'PUT', headers: json, body: ENTRY })
  expectEqual(await read(`${API_2}/api/job/smoke`, after), ENTRY, 'the entry')
}

async function board(): Promise<void> {
  const page = await read(`${API_1}/`)
  if (!page.includes('<title>Job board</title>')) throw new Error(`Not the job board: ${page}`)
  const body = readFileSync('examples/job-board/sample-jobs.ndjson')
  await write(`${API_2}/api/job`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body })
}

const logfold = (...command: readonly string[]): Promise<string> => compose('exec', '-T', 'worker', 'logfold', ...command)

async function status(backend: string): Promise<void> {
  const told = await logfold('status')
  if (!new RegExp(`^job +serving +.* ${backend}$`, 'm').test(told)) throw new Error(`logfold status: ${told}`)
}

async function served(backend: string): Promise<void> {
  await status(backend)
  expectEqual(await read(`${API_1}/api/job/smoke`), ENTRY, 'the entry')
  await writesAndReads()
}

async function prometheus<T>(path: string): Promise<T> {
  const { data } = JSON.parse(await read(`${PROMETHEUS}/api/v1/${path}`)) as { data: T }
  return data
}

async function targetsUp(): Promise<void> {
  interface Target {
    readonly labels: { readonly instance: string }
    readonly health: string
  }
  const { activeTargets } = await prometheus<{ readonly activeTargets: readonly Target[] }>('targets')
  const found = activeTargets.map(({ labels, health }) => `${labels.instance} ${health}`).toSorted()
  expectEqual(found, ['api-1:9080 up', 'api-2:9080 up', 'worker:9080 up'], 'the targets')
}

async function panelsFilled(): Promise<void> {
  const empty: string[] = []
  for (const { panel, expr } of dashboardQueries()) {
    const { result } = await prometheus<{ readonly result: readonly unknown[] }>(`query?query=${encodeURIComponent(asked(expr))}`)
    if (result.length === 0) empty.push(`${panel}: ${expr}`)
  }
  expectEqual(empty, [], 'panels without data')
}

async function smoke(): Promise<void> {
  await step('Built', () => compose('build', 'worker'))
  await step(`Up: ${services.join(' ')}`, () => compose('up', '-d', ...services))
  await step('Written through one API, read through the other', () => until(writesAndReads))
  await step('The job board is there, and its sample loaded', board)
  await step('logfold status in a container', () => until(() => status('redis')))
  await step('Prometheus scrapes all', () => until(targetsUp))
  await step('Moved to Postgres', () => logfold('reshard', 'create', 'job', '--to', 'postgres', '--until', 'serving', '--wait'))
  await step('Served from there', () => until(() => served('postgres')))
  await step('And back', () => logfold('reshard', 'reverse', 'job', '--wait'))
  // Of a generation that is to serve next some panels tell alone.
  await step(`All ${dashboardQueries().length} queries of the dashboard give data`, () => until(panelsFilled))
  await step('To Postgres for good', async () => {
    await logfold('reshard', 'switch', 'job', '--wait')
    await logfold('reshard', 'complete', 'job', '--yes', '--wait')
    await served('postgres')
  })
  await step('Stopped', () => compose('stop', ...services))
}

try {
  await smoke()
} catch (error) {
  console.error(await compose('logs', 'worker', 'api-1', 'api-2').catch(String))
  throw error
} finally {
  await step('Down', () => compose('down', '-v'))
}
