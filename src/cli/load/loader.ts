import { LogfoldError } from '../../model/errors.ts'
import { pause } from '../../model/pause.ts'
import type { Client } from '../client.ts'
import { sendBulk } from './bulk.ts'
import type { Chunk } from './chunks.ts'
import type { LoadEntry } from './entry.ts'

const RETRY_DELAY_FIRST_MS = 250
const RETRY_DELAY_MAX_MS = 5_000

export interface LoaderEvents {
  /** A line that isn't taken, and won't be. */
  refused(line: number, error: LogfoldError): Promise<void>
  /** Every line up to this one is in the log, or refused. */
  acknowledged(line: number, endByte: number): Promise<void>
  /** The server doesn't take lines for now; the first sign of it. */
  waiting(error: LogfoldError): Promise<void>
  /** It takes them again. */
  goingOn(): Promise<void>
}

export interface LoaderOptions {
  readonly client: Client
  readonly view: string
  /** How long the server may be away before the load stops. */
  readonly patienceMs: number
  readonly signal: AbortSignal
  readonly events: LoaderEvents
}

/**
 * Sends chunks one after another, so that the order of the lines is the order in the log. Waits for a server that is away. Lines of unknown
 * outcome are sent again where each has an id: to set or delete an id twice, with the order kept, is to do it once. A line without an id
 * would become two entries, so there it stops.
 */
export class Loader {
  readonly #options: LoaderOptions
  #loaded = 0
  #refused = 0
  #acknowledged = 0
  #awaySinceMs: number | undefined
  #retryDelayMs = RETRY_DELAY_FIRST_MS

  constructor(options: LoaderOptions, acknowledged: number) {
    this.#options = options
    this.#acknowledged = acknowledged
  }

  get loaded(): number {
    return this.#loaded
  }

  get refused(): number {
    return this.#refused
  }

  /** Every line up to this one is in the log, or refused. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Stops early, without an error, where the signal says so. @throws what keeps the load from going on */
  async run(chunks: AsyncIterable<Chunk>): Promise<void> {
    for await (const chunk of chunks) {
      await this.#deliver(chunk)
      if (this.#options.signal.aborted) return
    }
  }

  async #deliver({ entries, bad, lastLine, endByte }: Chunk): Promise<void> {
    const { signal } = this.#options
    for (const { line, detail } of bad) await this.#refuse(line, new LogfoldError('invalid-request', detail))
    let rest = entries
    while (rest.length > 0) {
      rest = await this.#send(rest)
      if (rest.length > 0 && signal.aborted) return
    }
    await this.#acknowledge(lastLine, endByte)
  }

  /** Sends lines once, and answers with those that are to be sent again. */
  async #send(entries: readonly LoadEntry[]): Promise<readonly LoadEntry[]> {
    const { client, view, events } = this.#options
    const { answers, failure } = await sendBulk(client, view, entries)
    let settled = 0
    let stop = failure
    for (const [at, answer] of answers.entries()) {
      const line = entries[at]?.line
      if (line === undefined) break
      if (answer !== undefined && answer.kind.retry !== 'no') {
        stop = answer
        break
      }
      if (answer === undefined) this.#loaded += 1
      else await this.#refuse(line, answer)
      settled += 1
    }
    if (settled > 0 && this.#awaySinceMs !== undefined) await events.goingOn()
    if (settled > 0) this.#isBack()
    const rest = entries.slice(settled)
    const [next] = rest
    if (next === undefined) return rest
    const last = entries[settled - 1]
    if (last !== undefined) await this.#acknowledge(next.line - 1, last.endByte)
    if (stop !== undefined) await this.#wait(stop, rest)
    return rest
  }

  #isBack(): void {
    this.#awaySinceMs = undefined
    this.#retryDelayMs = RETRY_DELAY_FIRST_MS
  }

  /** @throws the failure, where it makes no sense to wait any longer */
  async #wait(failure: LogfoldError, rest: readonly LoadEntry[]): Promise<void> {
    const { patienceMs, signal, events } = this.#options
    const { retry } = failure.kind
    if (retry === 'no' || (retry === 'unknown' && rest.some(({ hasId }) => !hasId))) throw failure
    const nowMs = performance.now()
    if (this.#awaySinceMs === undefined) {
      this.#awaySinceMs = nowMs
      await events.waiting(failure)
    }
    if (nowMs - this.#awaySinceMs >= patienceMs) throw failure
    const delayMs = Math.min(Math.max(this.#retryDelayMs, failure.retryAfterMs ?? 0), RETRY_DELAY_MAX_MS)
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, RETRY_DELAY_MAX_MS)
    await pause(delayMs, signal)
  }

  async #refuse(line: number, error: LogfoldError): Promise<void> {
    this.#refused += 1
    await this.#options.events.refused(line, error)
  }

  async #acknowledge(line: number, endByte: number): Promise<void> {
    this.#acknowledged = line
    await this.#options.events.acknowledged(line, endByte)
  }
}
