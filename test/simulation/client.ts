import { entryRoute } from '../../src/api/entry-route.ts'
import { listRoute } from '../../src/api/list-route.ts'
import { deleteRoute, putRoute } from '../../src/api/write-route.ts'
import { type ErrorCode, isLogfoldError } from '../../src/model/errors.ts'
import type { Offset } from '../../src/model/record.ts'
import { type Answered, ask, CutOff } from './http.ts'
import type { Since } from './judge.ts'
import type { Worker } from './worker.ts'
import type { World } from './world.ts'

/** What a client may be told while things go wrong. All else is a violation. */
const EXCUSES: readonly ErrorCode[] = [
  'view-unavailable',
  'view-lost',
  'view-folding',
  'view-behind',
  'not-caught-up',
  'log-unavailable',
  'outcome-unknown',
  'closing',
  'closed',
]

/** What a client has seen of an id, and since when nobody brought an older state back. */
interface Known {
  readonly since: Since
  /** The lowest position that what it has seen may stand for. */
  readonly low: Offset
}

/** Somebody who uses REST, from any process, and who sends `Logfold-After` with what it was given. Every answer is judged. */
export class Client {
  readonly #world: World
  readonly #name: string
  /** The places it was given, one a partition. */
  readonly #after = new Map<number, Offset>()
  /** By generation and id. */
  readonly #known = new Map<string, Known>()

  constructor(world: World, name: string) {
    this.#world = world
    this.#name = name
  }

  async read(worker: Worker, id: string, after: boolean, waitSeconds: number): Promise<void> {
    const { judge } = this.#world
    const since = judge.begin(id)
    const asked = after ? (this.#after.get(since.partition) ?? -1) + 1 : 0
    const before = worker.toldBefore
    const known = new Map(this.#known)
    const headers = this.#headers(after, waitSeconds)
    const answer = await this.#ask(worker, `GET ${id}${after ? ` after ${headers['logfold-after']}` : ''}`, () =>
      ask(entryRoute(worker.views), { method: 'GET', url: `/api/job/${id}`, params: { view: 'job', id }, headers }),
    )
    if (answer === undefined) return
    const value = answer.status === 404 ? undefined : answer.body
    // What `Logfold-After` says holds whatever was brought back meanwhile.
    const generation = generationOf(answer)
    const seen = known.get(`${generation}/${id}`)
    const low = Math.max(
      judge.lowest(since, generation),
      asked,
      seen !== undefined && judge.untouched(seen.since, generation) ? seen.low : 0,
      before?.restores === judge.restores ? (before.positions.get(since.partition) ?? 0) : 0,
    )
    this.#fits(`GET ${id} of job@${generation} at ${worker.process.name}`, id, value, low, since.partition)
    this.#learn(worker, answer)
    this.#known.set(`${generation}/${id}`, { since, low: this.#standsFor(id, value, low, since.partition) })
  }

  async list(worker: Worker, limit: number): Promise<void> {
    const { judge, ids } = this.#world
    const sinces = new Map(ids.map(id => [id, judge.begin(id)]))
    const found = new Map<string, string>()
    const generations = new Set<number>()
    for (let cursor: string | undefined; ; ) {
      const query = `limit=${limit}${cursor === undefined ? '' : `&cursor=${cursor}`}`
      const answer = await this.#ask(worker, `list ${limit}`, () =>
        ask(listRoute(worker.views), { method: 'GET', url: `/api/job?${query}`, params: { view: 'job' }, headers: {} }),
      )
      if (answer === undefined) return
      generations.add(generationOf(answer))
      const page = JSON.parse(answer.body) as { items: readonly { id: string; value: unknown }[]; next: string | null }
      for (const { id, value } of page.items) {
        if (found.has(id)) judge.violated(`the list gave ${id} twice`)
        found.set(id, JSON.stringify(value))
      }
      if (page.next === null) break
      cursor = page.next
    }
    for (const [id, since] of sinces) {
      const low = Math.min(...[...generations].map(generation => judge.lowest(since, generation)))
      this.#fits(`list of ${[...generations].map(each => `job@${each}`)} at ${worker.process.name}`, id, found.get(id), low, since.partition)
    }
  }

  /** Undefined deletes. */
  async write(worker: Worker, id: string, value: string | undefined): Promise<void> {
    const { judge } = this.#world
    const since = judge.begin(id)
    const base = { url: `/api/job/${id}`, params: { view: 'job', id } }
    const answer = await this.#ask(worker, `${value === undefined ? 'DELETE' : 'PUT'} ${id} ${value ?? ''}`, () =>
      value === undefined
        ? ask(deleteRoute(worker.views), { ...base, method: 'DELETE', headers: {} })
        : ask(putRoute(worker.views, { bodyBytesMax: 1000 }), {
            ...base,
            method: 'PUT',
            headers: { 'content-type': 'application/json' },
            body: value,
          }),
    )
    if (answer === undefined) return
    const [, offset] = (answer.headers.get('logfold-offset') ?? '').split(':').map(Number)
    if (this.#world.recreated) return
    if (offset === undefined || judge.end(since.partition) <= offset) {
      judge.violated(`a write of ${id} was acknowledged at ${offset}, where the log doesn't have it`)
      return
    }
    if (answer.status === 200 && judge.peak(since, generationOf(answer)) <= offset)
      judge.violated(`a write of ${id} at ${offset} is said to be applied, and is not`)
    this.#learn(worker, answer)
  }

  #fits(where: string, id: string, value: string | undefined, low: Offset, partition: number): void {
    const { judge } = this.#world
    const history = judge.history(partition)
    if (history.fits(id, value, low, judge.end(partition))) return
    judge.violated(
      `${where} by ${this.#name}: ${id} = ${value ?? 'nothing'}, but it must be as of ${low} at least; the log says ${history.describe(id)}`,
    )
  }

  /** The first position, from `low` on, of which an answer is true. */
  #standsFor(id: string, value: string | undefined, low: Offset, partition: number): Offset {
    const { judge } = this.#world
    const past = judge.history(partition).ids.get(id) ?? []
    const record = past.find(({ offset, does, value: written }) => offset >= low && does !== 'nothing' && written === value)
    const before = past.findLast(({ offset, does }) => offset < low && does !== 'nothing')
    return before?.value === value || record === undefined ? low : record.offset + 1
  }

  #headers(after: boolean, waitSeconds: number): Readonly<Record<string, string>> {
    if (!after) return {}
    return { 'logfold-after': [...this.#after].map(([partition, offset]) => `${partition}:${offset}`).join(','), prefer: `wait=${waitSeconds}` }
  }

  #learn(worker: Worker, answer: Answered): void {
    // Of a write that isn't seen yet it is its own place.
    const vouched = answer.status === 200 || answer.status === 404
    for (const place of (answer.headers.get('logfold-offset') ?? '').split(',')) {
      const [partition, offset] = place.split(':').map(Number)
      if (partition === undefined || offset === undefined) continue
      this.#after.set(partition, Math.max(offset, this.#after.get(partition) ?? 0))
      if (vouched) worker.told.set(partition, Math.max(offset + 1, worker.told.get(partition) ?? 0))
    }
  }

  /** Undefined where there was an excuse. A 404 is an answer. */
  async #ask(worker: Worker, what: string, question: () => Promise<Answered>): Promise<Answered | undefined> {
    const { trace, judge } = this.#world
    const reads = !/^(PUT|DELETE)/.test(what)
    const mustAnswer = this.#world.gentle && reads && worker.answered
    const answer = await worker.process.run(question)
    const { error, status, body, headers } = answer
    const told = error === undefined ? `${status} ${body.trim()}` : isLogfoldError(error) ? error.code : `${error}`
    trace.add(
      `${this.#name} at ${worker.process.name}: ${what} → ${told} ${headers.get('logfold-offset') ?? ''} of ${headers.get('logfold-generation') ?? 'none'}`,
    )
    if (error === undefined || isLogfoldError(error, 'no-such-entry')) {
      if (reads && this.#world.filled) worker.answered = true
      return error === undefined ? answer : { ...answer, status: 404, body: '' }
    }
    if (this.#isExcused(worker, error, mustAnswer)) return undefined
    judge.violated(`${what} at ${worker.process.name} failed: ${error instanceof Error ? (error.stack ?? error) : error}`)
    return undefined
  }

  #isExcused(worker: Worker, error: unknown, mustAnswer: boolean): boolean {
    if (error instanceof CutOff) return worker.ending
    if (!isLogfoldError(error)) return false
    // The list goes over to another generation, and the cursor is none of its.
    if (error.code === 'cursor-expired') return this.#world.operated && !this.#world.config.ordered
    // Where nothing fails, nobody who has answered once refuses to.
    if (mustAnswer && !worker.ending) return error.code === 'not-caught-up'
    return EXCUSES.includes(error.code) || this.#world.mayStop(error)
  }
}

const generationOf = ({ headers }: Answered): number => Number(headers.get('logfold-generation') ?? 0)
