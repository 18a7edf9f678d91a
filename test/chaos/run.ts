import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Capture } from './capture.ts'
import { Poisoner, writeDirectly } from './direct.ts'
import { HttpClient } from './http.ts'
import { Journal } from './journal.ts'
import { judge, type Verdict } from './judge.ts'
import { allKeys, chaosKeys } from './keys.ts'
import { Ledger } from './ledger.ts'
import { Random } from './random.ts'
import { readOn } from './readers.ts'
import { Schedule, shown } from './schedule.ts'
import { PARTITIONS, TOPIC, VIEWS, World } from './world.ts'
import { type ClientContext, single, writeOn } from './writers.ts'

export interface ChaosOptions {
  readonly seconds: number
  readonly seed: number
  readonly kinds: readonly string[]
  readonly writesPerSecond: number
  readonly readsPerSecond: number
  /** Keep the folder of a run without violations, too. */
  readonly keep: boolean
  readonly quiet: boolean
}

export interface ChaosResult extends Verdict {
  readonly cycles: ReadonlyMap<string, number>
  readonly recoveriesMs: readonly number[]
  readonly counts: ReadonlyMap<string, number>
  readonly convergedMs: number
  readonly loadedS: number
  readonly captureRestarts: number
  readonly folder: string
}

const WRITERS = 24
const READERS = 16
const SEEDERS = 48
/** The load goes on for so long behind the last fault. */
const AFTERMATH_MS = 2_000
export const CONVERGE_MS = 30_000
const CONVERGE_GIVE_UP_MS = 180_000
const LOOK_MS = 100
/** 410: a cursor of a server that started anew. */
const READ_STATUSES = [200, 404, 410, 503, 504]

/** Runs everything, and judges. The folder goes when nothing was wrong. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const folder = mkdtempSync(join(tmpdir(), 'logfold-chaos-'))
  const journal = new Journal(folder, options.quiet)
  journal.say(`seed ${options.seed}, ${options.seconds} s, data in ${folder}`)
  const ledger = new Ledger()
  const seen: { capture?: Capture } = {}
  const result = await runIn(folder, options, ledger, journal, seen).catch(async error => {
    await keepEvidence(folder, ledger, seen.capture, ledger.violations)
    throw new Error(`The run broke off; its data is in ${folder}: ${(error as Error).message}`, { cause: error })
  })
  if (result.violations.length === 0 && !options.keep) rmSync(folder, { recursive: true, force: true })
  else await keepEvidence(folder, ledger, seen.capture, result.violations)
  return result
}

/** Settles once all that was started is gone. */
async function runIn(folder: string, options: ChaosOptions, ledger: Ledger, journal: Journal, seen: { capture?: Capture }): Promise<ChaosResult> {
  await using world = await World.start(folder)
  journal.say(`everything runs: ${shown(world)}`)
  const capture = new Capture({ bootstrap: world.direct, topic: TOPIC, partitions: PARTITIONS })
  seen.capture = capture
  const http = new HttpClient()
  try {
    return await new Run(options, world, ledger, capture, http, journal).run()
  } finally {
    http.close()
    await capture.close()
  }
}

class Run {
  readonly #options: ChaosOptions
  readonly #world: World
  readonly #ledger: Ledger
  readonly #capture: Capture
  readonly #http: HttpClient
  readonly #journal: Journal
  readonly #random: Random
  readonly #stopping = new AbortController()

  constructor(options: ChaosOptions, world: World, ledger: Ledger, capture: Capture, http: HttpClient, journal: Journal) {
    this.#options = options
    this.#world = world
    this.#ledger = ledger
    this.#capture = capture
    this.#http = http
    this.#journal = journal
    this.#random = new Random(options.seed)
  }

  async run(): Promise<ChaosResult> {
    const { seconds, kinds, writesPerSecond } = this.#options
    await this.#seed()
    this.#journal.say(`${allKeys.length} keys are written; faults begin`)
    const startedMs = Date.now()
    const load = this.#load()
    const poisoner = new Poisoner(this.#world.direct, this.#ledger)
    const schedule = new Schedule({
      world: this.#world,
      random: this.#random.fork(),
      poisoner,
      kinds,
      untilMs: startedMs + seconds * 1_000,
      ledger: this.#ledger,
      journal: this.#journal,
      writesPerSecond,
    })
    // A client that breaks off ends the run as well.
    await Promise.race([schedule.run(), load.then(() => Promise.reject(new Error('The load ended')))])
    await wait(AFTERMATH_MS)
    this.#stopping.abort()
    await load
    const loadedS = (Date.now() - startedMs) / 1_000
    const convergedMs = await this.#converged(schedule.lastEndMs)
    if (convergedMs > CONVERGE_MS) this.#ledger.violations.push(`The lag was 0 only ${convergedMs} ms after the last fault`)
    const parts = { world: this.#world, ledger: this.#ledger, capture: this.#capture, http: this.#http, poisons: poisoner.poisons }
    const verdict = await judge(parts)
    return {
      ...verdict,
      cycles: schedule.cycles,
      recoveriesMs: schedule.recoveriesMs,
      counts: this.#ledger.counts,
      convergedMs,
      loadedS,
      captureRestarts: this.#capture.restarts,
      folder: this.#world.folder,
    }
  }

  #client(name: string, perSecond: number, count: number): ClientContext {
    const paceMs = (1_000 * count) / perSecond
    const { apis } = this.#world
    return {
      name,
      http: this.#http,
      ledger: this.#ledger,
      apis,
      views: VIEWS,
      keys: chaosKeys,
      readStatuses: READ_STATUSES,
      random: this.#random.fork(),
      paceMs,
      signal: this.#stopping.signal,
    }
  }

  /** Writes every key once, so that each is there before anything goes wrong. */
  async #seed(): Promise<void> {
    const rest = [...allKeys]
    const seeders = Array.from({ length: SEEDERS }, async (_, nth) => {
      const client = this.#client(`seed-${nth}`, 1, 1)
      for (let key = rest.pop(); key !== undefined; key = rest.pop()) {
        while (this.#ledger.lastOfKey(key) === undefined) await single(client, client.random.pick(client.apis), key, false)
      }
    })
    await Promise.all(seeders)
    await this.#converged(Date.now())
  }

  async #load(): Promise<void> {
    const { writesPerSecond, readsPerSecond } = this.#options
    // A bulk of one in 33 requests has eleven lines on average.
    const requestsPerSecond = writesPerSecond / 1.3
    const direct = writeDirectly(this.#world, this.#ledger, this.#random.fork(), this.#stopping.signal)
    const writers = Array.from({ length: WRITERS }, (_, nth) => writeOn(this.#client(`w${nth}`, requestsPerSecond, WRITERS)))
    const readers = Array.from({ length: READERS }, (_, nth) => readOn(this.#client(`r${nth}`, readsPerSecond, READERS)))
    await Promise.all([direct, ...writers, ...readers])
  }

  /** Settles once both APIs say that every view has a lag of 0; gives the time since then. */
  async #converged(sinceMs: number): Promise<number> {
    for (;;) {
      const told = await Promise.all(this.#world.apis.flatMap(api => VIEWS.map(view => api.status(view))))
      const tookMs = Date.now() - sinceMs
      if (told.every(status => status?.lagRecords === 0 && status.state === 'serving')) {
        return tookMs
      }
      if (tookMs > CONVERGE_GIVE_UP_MS) {
        this.#ledger.violations.push(`The lag is never 0: ${JSON.stringify(told)}`)
        return tookMs
      }
      await wait(LOOK_MS)
    }
  }
}

/** Everything that is needed to look into it. The stores' data stays where it is, but for Kafka's and Postgres's, which go with their servers. */
async function keepEvidence(folder: string, ledger: Ledger, capture: Capture | undefined, violations: readonly string[]): Promise<void> {
  writeFileSync(join(folder, 'violations.txt'), violations.join('\n'))
  writeFileSync(join(folder, 'samples.txt'), ledger.samples.join('\n'))
  const records = (capture?.records ?? []).flat().map(({ partition, offset, timestampMs, key, value }) => ({
    partition,
    offset,
    timestampMs,
    key: key?.toString() ?? null,
    value: value?.toString().slice(0, 1_000) ?? null,
  }))
  await writeLines(join(folder, 'writes.ndjson'), ledger.writes)
  await writeLines(join(folder, 'reads.ndjson'), ledger.reads)
  await writeLines(join(folder, 'topic.ndjson'), records)
}

async function writeLines(file: string, items: readonly unknown[]): Promise<void> {
  const stream = createWriteStream(file)
  for (const item of items) if (!stream.write(`${JSON.stringify(item)}\n`)) await once(stream, 'drain')
  await new Promise(resolve => stream.end(resolve))
}
