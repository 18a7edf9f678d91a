import { messageOf } from '../../model/errors.ts'
import { RequestFailed } from './brokers.ts'
import type { ApiVersions, Connection } from './kafkajs.ts'
import type { Request } from './wire/request.ts'

const CONNECT_MS = 10_000
/** Longer than a request takes; authentication is due some ten seconds before the broker insists on it. */
const RETIRE_MS = 10_000

/** What every broker must speak: API key, name, the version used. */
const NEEDED: readonly (readonly [apiKey: number, name: string, version: number])[] = [
  [0, 'Produce', 8],
  [1, 'Fetch', 13],
  [2, 'ListOffsets', 5],
  [3, 'Metadata', 12],
  [22, 'InitProducerId', 1],
  [23, 'OffsetForLeaderEpoch', 3],
]

/** A way to one broker: one connection at a time, made when it is needed and again after it failed. */
export class Link {
  readonly #address: string
  readonly #open: () => Connection
  #connection: Promise<Connection> | undefined
  #current: Connection | undefined
  #closed = false

  constructor(address: string, open: () => Connection) {
    this.#address = address
    this.#open = open
  }

  get connected(): boolean {
    return this.#current?.usable === true
  }

  /**
   * A request that has no answer in time takes its connection with it, as what stands behind it would wait as well.
   * @throws RequestFailed; what `decode` throws
   */
  async request<Answer>(request: Request<Answer>, timeoutMs: number): Promise<Answer> {
    const untilMs = performance.now() + timeoutMs
    const connection = await this.#connect()
    let sent = false
    const failed = (cause: unknown): RequestFailed => new RequestFailed(`${this.#address}: ${messageOf(cause)}`, sent, cause)
    const timer = setTimeout(
      () => connection.destroy(new Error(`no answer to ${request.name} in ${timeoutMs} ms`)),
      Math.max(0, untilMs - performance.now()),
    )
    try {
      return await connection.send(request, () => {
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
    this.#current?.destroy(new Error('closed'))
  }

  #connect(): Promise<Connection> {
    if (this.#closed) return Promise.reject(new RequestFailed(`${this.#address}: closed`, false))
    if (this.#current !== undefined && !this.#current.usable) this.#replace(this.#current)
    this.#connection ??= this.#connectNew()
    return this.#connection
  }

  /**
   * It failed, or authentication is due again. Then what is under way on it ends there, and the next request gets another connection: kafkajs would take an answer that is under
   * way for one of the handshake's.
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
    const timer = setTimeout(() => connection.destroy(new Error('no connection in time')), CONNECT_MS)
    try {
      this.#check(await connection.connect())
      this.#current = connection
      if (this.#closed) throw new Error('closed')
      return connection
    } catch (error) {
      connection.destroy(new Error('given up'))
      this.#forget()
      throw new RequestFailed(`${this.#address}: ${messageOf(error)}`, false, error)
    } finally {
      clearTimeout(timer)
    }
  }

  #check(versions: ApiVersions): void {
    const lacking = NEEDED.filter(([apiKey, , version]) => {
      const spoken = versions[apiKey]
      return spoken === undefined || spoken.minVersion > version || spoken.maxVersion < version
    })
    if (lacking.length === 0) return
    const names = lacking.map(([, name, version]) => `${name} v${version}`).join(', ')
    throw new Error(`the broker does not speak ${names}; logfold needs Kafka 3.1 or later`)
  }
}
