import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** The way from the client to the server is that of requests, the way back that of answers. */
export type Direction = 'request' | 'answer'

export const PRODUCE = 0
export const API_VERSIONS = 18

/** A message that came to the proxy, and wasn't sent on yet. */
export interface Message {
  readonly bytes: Buffer
  /** The API key of the request, or of the request that this answers, and its version. */
  readonly apiKey: number
  readonly apiVersion: number
  readonly forward: () => void
  /** Sends on half of it, and ends the connection. */
  readonly tear: () => void
  /** Resets the connection, on both sides. */
  readonly cut: () => void
}

/** A request that the client has given up, and the server hasn't got yet. */
export interface Zombie {
  /** Lets it arrive. @returns the server's answer */
  deliver(): Promise<Pick<Message, 'bytes' | 'apiVersion'>>
}

export type Fits = (message: Message) => boolean

/** Requests of one kind, and what answers them. */
export const kind =
  (apiKey: number): Fits =>
  message =>
    message.apiKey === apiKey

type Asked = Pick<Message, 'apiKey' | 'apiVersion'>
const NOTHING: Asked = { apiKey: -1, apiVersion: -1 }

/** Of the first message, once that can be told: a length of four bytes, and so much more. */
const bytesOfFirst = (held: Buffer): number => (held.length < 4 ? Number.POSITIVE_INFINITY : 4 + held.readInt32BE(0))

const correlationIdOf = (request: Buffer): number => request.readInt32BE(8)

interface Rule {
  readonly direction: Direction
  readonly fits: Fits
  readonly handle: (message: Message, connection: Proxied) => void
  readonly caught: PromiseWithResolvers<Message>
}

/**
 * Stands before a broker of Kafka, lets everything pass, and does to it what networks do. What it does to a single message (`next`, `hold`) it does once, to the first that fits, and settles
 * when that was done. What it does to all (`blackHole`, `latencyMs`) it does until it's told otherwise.
 */
export class CuttingProxy implements AsyncDisposable {
  /** Each way. */
  latencyMs = 0
  readonly #server: Server
  readonly #connections = new Set<Proxied>()
  readonly #rules: Rule[] = []
  readonly #swallowed = new Set<Direction>()

  private constructor(targetPort: number) {
    this.#server = createServer(client => this.#accept(client, targetPort))
  }

  /** @param targetPort of 127.0.0.1 */
  static async start(targetPort: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resets every connection but those of requests that are held. */
  cut(): void {
    for (const connection of this.#connections) if (!connection.orphan) connection.reset()
  }

  /** From now on whatever goes these ways, and isn't waited for, disappears, while connections stay open. Without any: it passes again. */
  blackHole(...directions: readonly Direction[]): void {
    this.#swallowed.clear()
    for (const direction of directions) this.#swallowed.add(direction)
  }

  /** Does this with the next message that fits, instead of sending it on. A message that isn't forwarded has disappeared. */
  async next(direction: Direction, fits: Fits, handle: (message: Message) => void): Promise<Message> {
    return this.#rule(direction, fits, handle)
  }

  /** Takes the next request of Kafka's that fits off its way, and resets the client's connection; the server's stays. */
  async hold(fits: Fits): Promise<Zombie> {
    const held = Promise.withResolvers<Zombie>()
    await this.#rule('request', fits, ({ bytes, apiVersion }, connection) => {
      connection.leave()
      held.resolve({ deliver: async () => ({ bytes: await connection.deliver(bytes), apiVersion }) })
    })
    return held.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const connection of this.#connections) connection.reset()
    await closed
  }

  #rule(direction: Direction, fits: Fits, handle: Rule['handle']): Promise<Message> {
    const rule = { direction, fits, handle, caught: Promise.withResolvers<Message>() }
    this.#rules.push(rule)
    return rule.caught.promise
  }

  #accept(client: Socket, targetPort: number): void {
    const connection: Proxied = new Proxied(client, connect(targetPort, '127.0.0.1'), {
      latencyMs: () => this.latencyMs,
      pass: (direction, message) => this.#pass(direction, message, connection),
      closed: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
  }

  #pass(direction: Direction, message: Message, connection: Proxied): void {
    const at = this.#rules.findIndex(rule => rule.direction === direction && rule.fits(message))
    const [rule] = at < 0 ? [] : this.#rules.splice(at, 1)
    if (rule !== undefined) {
      rule.handle(message, connection)
      rule.caught.resolve(message)
    } else if (!this.#swallowed.has(direction)) message.forward()
  }
}

interface ProxiedOptions {
  readonly latencyMs: () => number
  readonly pass: (direction: Direction, message: Message) => void
  readonly closed: () => void
}

/** One connection of a client, and the one to the server that belongs to it. */
class Proxied {
  /** It has no client any more. */
  orphan = false
  readonly #client: Socket
  readonly #server: Socket
  readonly #options: ProxiedOptions
  /** What Kafka's requests ask for, by correlation id. */
  readonly #asked = new Map<number, Asked>()
  #delivered: number | undefined
  #answer = Promise.withResolvers<Buffer>()

  constructor(client: Socket, server: Socket, options: ProxiedOptions) {
    this.#client = client.setNoDelay()
    this.#server = server.setNoDelay()
    this.#options = options
    this.#answer.promise.catch(() => undefined)
    this.#lead(client, server, 'request')
    this.#lead(server, client, 'answer')
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
  }

  /** Leaves the client, and keeps the server. */
  leave(): void {
    this.orphan = true
    this.#client.resetAndDestroy()
  }

  deliver(bytes: Buffer): Promise<Buffer> {
    this.#delivered = correlationIdOf(bytes)
    this.#server.write(bytes)
    return this.#answer.promise
  }

  #lead(from: Socket, to: Socket, direction: Direction): void {
    const { pass, closed } = this.#options
    let held: Buffer = Buffer.alloc(0)
    const send = this.#sender(from, to)
    from.on('data', (chunk: Buffer) => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      for (let bytes = bytesOfFirst(held); held.length >= bytes; bytes = bytesOfFirst(held)) {
        const message = this.#message(direction, held.subarray(0, bytes), send, to)
        held = held.subarray(bytes)
        if (!this.orphan) pass(direction, message)
        else if (message.bytes.readInt32BE(4) === this.#delivered) this.#answer.resolve(message.bytes)
      }
    })
    from.on('end', () => {
      if (!this.orphan) to.end()
    })
    from.on('error', () => {
      if (!this.orphan) to.resetAndDestroy()
    })
    from.on('close', () => {
      if (direction === 'answer') this.#answer.reject(new Error('The server closed the connection'))
      if (to.destroyed) closed()
    })
  }

  /** In order, after the latency; the one side waits for the other where that reads slowly. */
  #sender(from: Socket, to: Socket): (bytes: Buffer) => void {
    let last: Promise<unknown> = Promise.resolve()
    const write = (bytes: Buffer): void => {
      if (to.destroyed || to.write(bytes)) return
      from.pause()
      to.once('drain', () => from.resume())
    }
    return bytes => {
      const latencyMs = this.#options.latencyMs()
      if (latencyMs === 0) {
        write(bytes)
        return
      }
      const arrived = new Promise(resolve => setTimeout(resolve, latencyMs))
      last = Promise.all([last, arrived]).then(() => write(bytes))
    }
  }

  #message(direction: Direction, bytes: Buffer, send: (bytes: Buffer) => void, to: Socket): Message {
    return {
      bytes,
      ...this.#kindOf(direction, bytes),
      forward: () => send(bytes),
      // A reset would throw away what wasn't read yet.
      tear: () => {
        to.end(bytes.subarray(0, Math.ceil(bytes.length / 2)))
        const from = direction === 'request' ? this.#client : this.#server
        from.resetAndDestroy()
      },
      cut: () => this.reset(),
    }
  }

  #kindOf(direction: Direction, bytes: Buffer): Asked {
    if (direction === 'request') {
      const asked = { apiKey: bytes.readInt16BE(4), apiVersion: bytes.readInt16BE(6) }
      this.#asked.set(correlationIdOf(bytes), asked)
      return asked
    }
    const correlationId = bytes.readInt32BE(4)
    const asked = this.#asked.get(correlationId) ?? NOTHING
    this.#asked.delete(correlationId)
    return asked
  }
}
