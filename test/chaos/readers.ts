import { setTimeout as wait } from 'node:timers/promises'
import { type Answered, codeOf } from './http.ts'
import type { Place } from './ledger.ts'
import type { Product } from './product.ts'
import type { ClientContext } from './writers.ts'

const IDS = 8
const PAGE = 50
const PAGES_MAX = 6
const LINES = { accept: 'application/x-ndjson' }

/** Reads one thing after the other, and notes what it is told, until the signal. */
export async function readOn(context: ClientContext): Promise<void> {
  const { random, signal, paceMs, apis } = context
  const reader = new Reader(context)
  for (let dueMs = performance.now(); !signal.aborted; ) {
    const api = random.pick(apis)
    const kind = random.next()
    if (kind < 0.9) await reader.one(api)
    else if (kind < 0.97) await reader.several(api)
    else await reader.pages(api)
    dueMs = Math.max(dueMs + paceMs, performance.now() - 2 * paceMs)
    const restMs = dueMs - performance.now()
    if (restMs > 0) await wait(restMs)
  }
}

interface Asking {
  readonly api: Product
  readonly view: string
  readonly how: string
  readonly header: string | undefined
}

class Reader {
  readonly #context: ClientContext
  /** What the last read said that it had seen. */
  #seen: string | undefined

  constructor(context: ClientContext) {
    this.#context = context
  }

  async one(api: Product): Promise<void> {
    const { random, http, ledger, keys } = this.#context
    const key = random.chance(0.2) ? random.pick(keys.always) : keys.toRead(random)
    const asking = this.#asking(api, 'GET', [key])
    const path = `/api/${asking.view}/${encodeURIComponent(key)}`
    const askedMs = Date.now()
    const answer = await http.ask({ method: 'GET', port: api.httpPort, path, headers: this.#headers(asking) })
    this.#note(asking, answer)
    if (!answer.whole) return
    if (answer.status === 404) this.#enter(asking, key, -1, askedMs)
    if (answer.status !== 200) return
    const seq = ledger.seqIn(key, answer.body, `GET ${asking.view} by ${api.name}`)
    if (seq !== undefined) this.#enter(asking, key, seq, askedMs)
  }

  async several(api: Product): Promise<void> {
    const { http, random, keys: space } = this.#context
    const keys = [...new Set(Array.from({ length: IDS }, () => space.toRead(random)))]
    const asking = this.#asking(api, 'GET ids', keys)
    const path = `/api/${asking.view}?${keys.map(key => `id=${encodeURIComponent(key)}`).join('&')}`
    const askedMs = Date.now()
    const answer = await http.ask({ method: 'GET', port: api.httpPort, path, headers: { ...LINES, ...this.#headers(asking) } })
    this.#note(asking, answer)
    if (!answer.whole || answer.status !== 200) return
    const found = this.#lines(asking, answer.body)
    for (const key of keys) this.#enter(asking, key, found.get(key) ?? -1, askedMs)
  }

  /** A list of several pages is no snapshot, and some are cut off: an entry that isn't there says nothing, but for a whole list, of those that are always there. */
  async pages(api: Product): Promise<void> {
    const { http, ledger, random, keys } = this.#context
    const asking = this.#asking(api, 'GET page', [])
    const pages = random.between(1, PAGES_MAX)
    let path: string | undefined = `/api/${asking.view}?limit=${PAGE}`
    for (let nth = 0; path !== undefined && nth < pages; nth++) {
      const askedMs = Date.now()
      const answer: Answered = await http.ask({ method: 'GET', port: api.httpPort, path, headers: { ...LINES, ...this.#headers(asking) } })
      this.#note(asking, answer)
      if (!answer.whole || answer.status !== 200) return
      for (const [key, seq] of this.#lines(asking, answer.body)) this.#enter(asking, key, seq, askedMs)
      path = /<([^>]+)>; rel="next"/.exec(String(answer.headers.link))?.[1]
    }
    if (path !== undefined || !random.chance(0.3)) return
    const whole = await http.ask({ method: 'GET', port: api.httpPort, path: `/api/${asking.view}`, headers: { ...LINES, ...this.#headers(asking) } })
    this.#note(asking, whole)
    if (!whole.whole || whole.status !== 200) return
    const found = this.#lines(asking, whole.body)
    for (const key of keys.always) if (!found.has(key)) ledger.violations.push(`The list of ${asking.view} by ${api.name} lacks ${key}`)
  }

  #asking(api: Product, how: string, keys: readonly string[]): Asking {
    const { random, views } = this.#context
    return { api, view: random.pick(views), how, header: this.#after(keys) }
  }

  /** Nothing, or places that this client knows of: the last write of a key, the last of its partition, of all partitions, or what it last read. */
  #after(keys: readonly string[]): string | undefined {
    const { random, ledger } = this.#context
    const kind = random.next()
    if (kind < 0.3) return undefined
    if (kind < 0.4 && this.#seen !== undefined) return this.#seen
    if (kind < 0.5 || keys.length === 0) return format(ledger.lastOfAll())
    const places = keys.map(key => {
      const partition = ledger.partitionOf(key)
      return kind < 0.8 || partition === undefined ? ledger.lastOfKey(key) : ledger.lastOfPartition(partition)
    })
    return format(places.filter(place => place !== undefined))
  }

  #headers({ header }: Asking): Readonly<Record<string, string>> {
    const { waitSeconds } = this.#context
    if (header === undefined) return {}
    return { 'logfold-after': header, ...(waitSeconds === undefined ? {} : { prefer: `wait=${waitSeconds}` }) }
  }

  #note({ how, header, view, api }: Asking, { status, headers, body, failure }: Answered): void {
    const { ledger, readStatuses } = this.#context
    const told = failure ?? `${status} ${status === 200 ? '' : codeOf(body)}`.trim()
    const stale = headers['logfold-stale'] === undefined ? '' : ' stale'
    const sample = status >= 400 && status !== 404 ? `${view} by ${api.name}: ${body}` : undefined
    ledger.count(`${how}${header === undefined ? '' : ' after'} ${told}${stale}`, sample)
    const seen = headers['logfold-offset']
    if (status === 200 && typeof seen === 'string') this.#seen = seen
    if (failure === undefined && !readStatuses.includes(status)) {
      ledger.violations.push(`${how} ${view} by ${api.name} after ${header}: ${told} ${body.slice(0, 500)}`)
    }
  }

  /** The numbers in the values of lines, by key. */
  #lines({ view, api }: Asking, body: string): ReadonlyMap<string, number> {
    const { ledger } = this.#context
    const found = new Map<string, number>()
    for (const line of body.split('\n').slice(0, -1)) {
      const entry = entryOf(line)
      const seq = ledger.seqIn(entry.key, entry.value, `A list of ${view} by ${api.name}`)
      if (seq !== undefined) found.set(entry.key, seq)
    }
    return found
  }

  #enter({ api, view, how, header }: Asking, key: string, seq: number, askedMs: number): void {
    const { ledger, keys } = this.#context
    const after = afterOf(header, ledger.partitionOf(key))
    ledger.reads.push({ view, api: api.name, how, key, seq, after, header, askedMs, answeredMs: Date.now() })
    if (seq === -1 && keys.isAlways(key))
      ledger.violations.push(`${how} ${view} by ${api.name} at ${Date.now()}: ${key} isn't there, which always is`)
  }
}

/** What a line of a list holds, with the value's own bytes. */
export function entryOf(line: string): { readonly key: string; readonly value: string } {
  const [, id = '""', value = ''] = /^\{"id":("(?:[^"\\]|\\.)*"),"value":(.*)\}$/.exec(line) ?? []
  return { key: JSON.parse(id) as string, value }
}

const format = (places: readonly Place[]): string => places.map(({ partition, offset }) => `${partition}:${offset}`).join(',')

function afterOf(header: string | undefined, partition: number | undefined): number {
  let after = -1
  for (const place of header?.split(',') ?? []) {
    const [of, offset] = place.split(':')
    if (Number(of) === partition) after = Math.max(after, Number(offset))
  }
  return after
}
