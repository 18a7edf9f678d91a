import { setTimeout as wait } from 'node:timers/promises'
import { codeOf, type HttpClient } from './http.ts'
import { type KeySpace, writtenValue } from './keys.ts'
import type { Ledger, Place, Write } from './ledger.ts'
import type { Product } from './product.ts'
import type { Random } from './random.ts'

const BULK_LINES = 20
/** Between tries of a client that nobody answers. */
const REFUSED_WAIT_MS = 100

/** What a client that writes needs. */
export interface ClientContext {
  readonly name: string
  readonly http: HttpClient
  readonly ledger: Ledger
  readonly apis: readonly Product[]
  readonly views: readonly string[]
  readonly keys: KeySpace
  /** What a read may be answered. */
  readonly readStatuses: readonly number[]
  /** How long a read waits for what it named in `Logfold-After`; undefined: as long as the server thinks right. */
  readonly waitSeconds?: number
  readonly random: Random
  /** Of requests' beginnings, when they are answered sooner. Milliseconds. */
  readonly paceMs: number
  readonly signal: AbortSignal
}

const JSON_TYPE = { 'content-type': 'application/json' }
const LINES_TYPE = { 'content-type': 'application/x-ndjson' }

/** Writes one thing after the other, and notes what it is told, until the signal. */
export async function writeOn(context: ClientContext): Promise<void> {
  const { random, signal, paceMs, apis, ledger, keys } = context
  for (let dueMs = performance.now(); !signal.aborted; ) {
    const api = random.pick(apis)
    const key = keys.toWrite(random)
    const kind = random.next()
    const answered = kind < 0.03 ? await bulk(context, api) : await single(context, api, key, !keys.isAlways(key) && kind < 0.25)
    if (!answered) await wait(REFUSED_WAIT_MS)
    // Who was held up doesn't make up for it.
    dueMs = Math.max(dueMs + paceMs, performance.now() - 2 * paceMs)
    const restMs = dueMs - performance.now()
    if (restMs > 0) await wait(restMs)
    if (ledger.violations.length > 1_000) throw new Error('Too much is wrong to go on')
  }
}

/** @returns whether there was an answer */
export async function single({ http, ledger, name, random, views }: ClientContext, api: Product, key: string, deletes: boolean): Promise<boolean> {
  const write = ledger.begin(key, deletes, name, api.pid)
  const path = `/api/${random.pick(views)}/${encodeURIComponent(key)}`
  const prefer = random.chance(0.3) ? { prefer: 'respond-async' } : {}
  const answer = await http.ask(
    deletes
      ? { method: 'DELETE', port: api.httpPort, path, headers: prefer }
      : { method: 'PUT', port: api.httpPort, path, headers: { ...JSON_TYPE, ...prefer }, body: writtenValue(key, name, write.seq) },
  )
  const told = answer.failure ?? `${answer.status} ${codeOf(answer.body)}`.trim()
  ledger.count(`${deletes ? 'DELETE' : 'PUT'} ${told}`, answer.status >= 400 ? `${api.name}: ${answer.body}` : undefined)
  // The head with the place comes after the log has it, whatever becomes of the rest.
  const place = readPlace(answer.headers['logfold-offset'])
  if (place !== undefined) ledger.end(write, 'acknowledged', told, place)
  else ledger.end(write, outcomeOf(answer.status, answer.failure), told)
  if (answer.whole && ![200, 202, 503, 504].includes(answer.status))
    ledger.violations.push(`${write.writer} ${key}: ${told} ${answer.body.slice(0, 500)}`)
  if (answer.whole && answer.status < 300 && place === undefined) ledger.violations.push(`${write.writer} ${key}: ${told} without a place`)
  return answer.status !== 0
}

function outcomeOf(status: number, failure: string | undefined): 'unknown' | 'refused' {
  if (failure === 'ECONNREFUSED') return 'refused'
  return failure !== undefined || status === 504 ? 'unknown' : 'refused'
}

interface LineAnswer {
  readonly id?: string
  readonly offset?: string
  readonly error?: { readonly status: number; readonly code: string }
}

async function bulk({ http, ledger, name, random, views, keys }: ClientContext, api: Product): Promise<boolean> {
  const writes = Array.from({ length: random.between(2, BULK_LINES) }, () => {
    const key = keys.toWrite(random)
    return ledger.begin(key, !keys.isAlways(key) && random.chance(0.25), name, api.pid)
  })
  const lines = writes.map(({ key, deletes, seq }) => `{"id":${JSON.stringify(key)},"value":${deletes ? 'null' : writtenValue(key, name, seq)}}\n`)
  const path = `/api/${random.pick(views)}`
  const answer = await http.ask({ method: 'POST', port: api.httpPort, path, headers: LINES_TYPE, body: lines.join('') })
  ledger.count(`POST ${answer.failure ?? `${answer.status} ${answer.status === 200 ? '' : codeOf(answer.body)}`.trim()}`)
  const told = answer.status === 200 ? answer.body.split('\n').slice(0, -1) : []
  for (const [nth, write] of writes.entries()) {
    const line = told[nth]
    if (line !== undefined) endLine(ledger, write, JSON.parse(line) as LineAnswer)
    else ledger.end(write, outcomeOf(answer.status, answer.failure), answer.failure ?? `${answer.status} ${codeOf(answer.body)}`)
  }
  if (answer.whole && answer.status === 200 && told.length !== writes.length) {
    ledger.violations.push(`${name}: a bulk of ${writes.length} lines was answered with ${told.length}`)
  }
  return answer.status !== 0
}

function endLine(ledger: Ledger, write: Write, { id, offset, error }: LineAnswer): void {
  const place = readPlace(offset)
  if (place !== undefined && id === write.key) ledger.end(write, 'acknowledged', 'line', place)
  else if (error !== undefined) {
    const told = `line ${error.status} ${error.code}`
    ledger.count(told)
    ledger.end(write, error.status === 504 ? 'unknown' : 'refused', told)
    if (![503, 504].includes(error.status)) ledger.violations.push(`${write.writer} ${write.key}: ${told}`)
  } else ledger.violations.push(`${write.writer} ${write.key}: a line was answered ${JSON.stringify({ id, offset })}`)
}

function readPlace(text: string | readonly string[] | undefined): Place | undefined {
  const [, partition, offset] = /^(\d+):(\d+)$/.exec(String(text)) ?? []
  return partition === undefined ? undefined : { partition: Number(partition), offset: Number(offset) }
}
