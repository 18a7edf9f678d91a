import { readTopic } from '../chaos/capture.ts'
import { HttpClient } from '../chaos/http.ts'
import { writtenValue } from '../chaos/keys.ts'
import type { Ledger } from '../chaos/ledger.ts'
import { Random } from '../chaos/random.ts'
import { readOn } from '../chaos/readers.ts'
import { type ClientContext, single, writeOn } from '../chaos/writers.ts'
import { kcat } from '../services/kafka-tools.ts'
import type { ReshardKeys } from './keys.ts'
import { TOPIC } from './servers.ts'
import { VIEW, type World } from './world.ts'

const WRITERS = 16
const READERS = 24
/** A bulk of one in 33 requests has eleven lines on average. */
const WRITES_A_REQUEST = 1.3
const CHUNK_LINES = 20_000
const SEPARATOR = '\t'
/** 404 of an entry that isn't there; 410 of a cursor whose generation serves no more. Everything else, 503 above all, is a read that failed. */
const READ_STATUSES = [200, 404, 410]
/** A fold that lags on a busy machine shall show in how long a read takes, and not in a 503. */
const WAIT_SECONDS = 20

export interface Rates {
  readonly readsPerSecond: number
  readonly writesPerSecond: number
}

/** Puts every key that has no odd bytes into the topic, by kcat, before logfold runs, and learns where each went. */
export async function seed(bootstrap: string, ledger: Ledger, keys: ReshardKeys): Promise<void> {
  const settings = ['partitioner=murmur2_random', 'enable.idempotence=true'].flatMap(each => ['-X', each])
  const plain = keys.all.filter(key => /^(always|key)-\d+$/.test(key))
  for (let at = 0; at < plain.length; at += CHUNK_LINES) {
    const lines = plain.slice(at, at + CHUNK_LINES).map(key => {
      const { seq } = ledger.begin(key, false, 'kcat', 0)
      return `${key}${SEPARATOR}${writtenValue(key, 'kcat', seq)}\n`
    })
    await kcat(['-b', bootstrap, '-P', '-t', TOPIC, '-K', SEPARATOR, ...settings], lines.join(''))
  }
  for (const { partition, offset, key, value } of await readTopic(bootstrap, TOPIC)) {
    const seq = ledger.seqIn(String(key), String(value), 'The topic')
    const write = seq === undefined ? undefined : ledger.writes[seq]
    if (write !== undefined) ledger.end(write, 'acknowledged', 'kcat', { partition, offset })
  }
}

/** Clients outside, through both API processes. Each start brings new ones, with connections of their own. */
export class Load {
  readonly #world: World
  readonly #ledger: Ledger
  readonly #keys: ReshardKeys
  readonly #rates: Rates
  readonly #random = new Random(1)
  #http = new HttpClient()
  #stopping = new AbortController()
  #clients: readonly Promise<void>[] = []

  constructor(world: World, ledger: Ledger, keys: ReshardKeys, rates: Rates) {
    this.#world = world
    this.#ledger = ledger
    this.#keys = keys
    this.#rates = rates
  }

  /** Every key that has no record yet. */
  async writeRest(): Promise<void> {
    const client = this.#client('rest', 1, 1)
    for (const key of this.#keys.all) {
      while (this.#ledger.lastOfKey(key) === undefined) await single(client, client.random.pick(client.apis), key, false)
    }
  }

  start(what: 'reads' | 'reads and writes'): void {
    const { readsPerSecond, writesPerSecond } = this.#rates
    const requests = writesPerSecond / WRITES_A_REQUEST
    const readers = Array.from({ length: READERS }, (_, nth) => readOn(this.#client(`r${nth}`, readsPerSecond, READERS)))
    const writers = Array.from({ length: what === 'reads' ? 0 : WRITERS }, (_, nth) => writeOn(this.#client(`w${nth}`, requests, WRITERS)))
    this.#clients = [...readers, ...writers]
    // Told by `stop`.
    for (const client of this.#clients) client.catch(() => undefined)
  }

  /** Settles once all was answered. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#clients)
    this.#http.close()
    this.#http = new HttpClient()
    this.#stopping = new AbortController()
    this.#clients = []
  }

  #client(name: string, perSecond: number, count: number): ClientContext {
    return {
      name,
      http: this.#http,
      ledger: this.#ledger,
      apis: this.#world.apis,
      views: [VIEW],
      keys: this.#keys,
      readStatuses: READ_STATUSES,
      waitSeconds: WAIT_SECONDS,
      random: this.#random.fork(),
      paceMs: (1_000 * count) / perSecond,
      signal: this.#stopping.signal,
    }
  }
}
