import { messageOf } from '../../model/errors.ts'
import { RequestFailed } from './brokers.ts'
import type { ApiVersions, Connection } from './kafkajs.ts'
import { FETCH } from './wire/fetch.ts'
import { INIT_PRODUCER_ID } from './wire/init-producer-id.ts'
import { LIST_OFFSETS } from './wire/list-offsets.ts'
import { METADATA } from './wire/metadata.ts'
import { OFFSET_FOR_LEADER_EPOCH } from './wire/offset-for-leader-epoch.ts'
import { PRODUCE } from './wire/produce.ts'
import { type Api, type Request, shownApi } from './wire/request.ts'
import { within } from './within.ts'

const CONNECT_MS = 10_000
/** Longer than a request takes; authentication is due some ten seconds before the broker insists on it. */
const RETIRE_MS = 10_000
const FAILING_MS = 10_000

/** What every broker must speak. */
const NEEDED: readonly Api[] = [PRODUCE, FETCH, LIST_OFFSETS, METADATA, INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH]

/** A way to one broker: one connection at a time, made when it is needed and again after it failed. */
export class Link {
  readonly #address: string
  readonly #open: () => Connection
  readonly #greet: (connection: Connection) => Promise<void>
  #connection: Promise<Connection> | undefined
  #versions: ApiVersions = {}
  #opening: Connection | undefined
  #current: Connection | undefined
  #failedMs = Number.NEGATIVE_INFINITY
  #closed = false

  /** @param greet asks what must be right before a connection is used */
  constructor(address: string, open: () => Connection, greet: (connection: Connection) => Promise<void>) {
    this.#address = address
    this.#open = open
    this.#greet = greet
  }

  /** Whether it failed to connect, or to answer in time, some seconds ago at most. */
  get failing(): boolean {
    return performance.now() - this.#failedMs < FAILING_MS
  }

  /**
   * A request that has no answer in time takes its connection with it, as what stands behind it would wait as well.
   * @throws RequestFailed; what `decode` throws
   */
  async request<Answer>(request: Request<Answer>, timeoutMs: number): Promise<Answer> {
    const untilMs = performance.now() + timeoutMs
    const connection = await this.#connectWithin(timeoutMs)
    let sent = false
    const failed = (cause: unknown): RequestFailed => new RequestFailed(`${this.#address}: ${messageOf(cause)}`, sent, cause)
    const timer = setTimeout(
      () => {
        this.#failedMs = performance.now()
        connection.destroy(new Error(`no answer to ${request.name} in ${timeoutMs} ms`))
      },
      Math.max(0, untilMs - performance.now()),
    )
    try {
      return await connection.send(this.#spoken(request), () => {
        sent = true
      })
    } catch (error) {
      if (connection.usable && sent) throw error
      throw failed(error)
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.#closed = true
    this.#opening?.destroy(new Error('closed'))
    this.#current?.destroy(new Error('closed'))
  }

  /** A connection that takes longer goes on being made, for the next request. */
  async #connectWithin(ms: number): Promise<Connection> {
    try {
      return await within(ms, this.#connect())
    } catch (error) {
      throw error instanceof RequestFailed ? error : new RequestFailed(`${this.#address}: no connection in ${ms} ms`, false, error)
    }
  }

  #connect(): Promise<Connection> {
    if (this.#closed) return Promise.reject(new RequestFailed(`${this.#address}: closed`, false))
    if (this.#current !== undefined && !this.#current.usable) this.#replace(this.#current)
    this.#connection ??= this.#connectNew()
    return this.#connection
  }

  /**
   * It failed, or authentication is due again. Then what is under way on it ends there, and the next request gets another connection: kafkajs would
   * take an answer that is under way for one of the handshake's.
   */
  #replace(connection: Connection): void {
    this.#forget()
    setTimeout(() => connection.destroy(new Error('replaced')), RETIRE_MS).unref()
  }

  #forget(): void {
    this.#connection = undefined
    this.#current = undefined
  }

  async #connectNew(): Promise<Connection> {
    const connection = this.#open()
    this.#opening = connection
    const timer = setTimeout(() => connection.destroy(new Error('no connection in time')), CONNECT_MS)
    try {
      const versions = await connection.connect()
      this.#check(versions)
      await this.#greet(connection)
      if (this.#closed) throw new Error('closed')
      this.#versions = versions
      this.#current = connection
      return connection
    } catch (error) {
      connection.destroy(new Error('given up'))
      this.#forget()
      this.#failedMs = performance.now()
      throw new RequestFailed(`${this.#address}: ${messageOf(error)}`, false, error)
    } finally {
      clearTimeout(timer)
      this.#opening = undefined
    }
  }

  #spoken<Answer>(request: Request<Answer>): Request<Answer> {
    const { apiKey, newer } = request
    return newer !== undefined && (this.#versions[apiKey]?.maxVersion ?? 0) >= newer.apiVersion ? newer.request() : request
  }

  #check(versions: ApiVersions): void {
    const lacking = NEEDED.filter(({ apiKey, apiVersion }) => {
      const spoken = versions[apiKey]
      return spoken === undefined || spoken.minVersion > apiVersion || spoken.maxVersion < apiVersion
    })
    if (lacking.length === 0) return
    throw new Error(`the broker does not speak ${lacking.map(shownApi).join(', ')}; logfold needs Kafka 3.1 or later`)
  }
}
