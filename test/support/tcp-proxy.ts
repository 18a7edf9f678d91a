import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** Which way bytes go. */
type Direction = 'request' | 'answer'

/** What becomes of what a black hole has swallowed: it arrives after all, as TCP sends it again, or its connections are reset. */
export type Outcome = 'late' | 'reset'

/**
 * Stands before a server of any protocol, and does to connections what networks do. It never loses a byte out of the middle of a stream, as TCP never does: what is held up comes late, in
 * order, or the connection ends.
 */
export class TcpProxy {
  /** Of 127.0.0.1; where connections from now on lead. */
  targetPort: number
  /** Each way. */
  latencyMs = 0
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #holding = false
  #tears = 0

  private constructor(targetPort: number) {
    this.targetPort = targetPort
    this.#server = createServer(client => this.#accept(client))
  }

  /** @param targetPort may be set later, but before anybody connects. @param port 0: any that is free */
  static async start(targetPort: number, port = 0): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort)
    proxy.#server.listen(port, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get holding(): boolean {
    return this.#holding
  }

  /** Resets every connection. */
  reset(): void {
    for (const connection of this.#connections) connection.reset()
  }

  /** From now on nothing arrives, and nobody is told: connections stay open, new ones are taken and lead nowhere. */
  hold(): void {
    this.#holding = true
  }

  /** Ends `hold`. */
  letGo(outcome: Outcome): void {
    this.#holding = false
    if (outcome === 'reset') this.reset()
    else for (const connection of this.#connections) connection.resume()
  }

  /** The next so many pieces of answers arrive by half, and then their connections are reset. */
  tear(count: number): void {
    this.#tears = count
  }

  /** How many pieces of answers are still to be torn. */
  get tears(): number {
    return this.#tears
  }

  /** Whether this piece of an answer is one of those. One byte has no half. */
  takeTear(bytes: number): boolean {
    if (this.#tears === 0 || bytes < 2) return false
    this.#tears--
    return true
  }

  async close(): Promise<void> {
    this.reset()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(client: Socket): void {
    const connection: Connection = new Connection(client, this, () => this.#connections.delete(connection))
    this.#connections.add(connection)
  }
}

/** One end of a connection, as the other's bytes come to it: in order, and after the latency. */
class Way {
  readonly #from: Socket
  readonly #to: () => Socket
  readonly #proxy: TcpProxy
  readonly #direction: Direction
  #queue: { readonly bytes: Buffer | undefined; readonly dueMs: number }[] = []
  #timer: NodeJS.Timeout | undefined
  #dropped = false

  constructor(from: Socket, to: () => Socket, proxy: TcpProxy, direction: Direction) {
    this.#from = from
    this.#to = to
    this.#proxy = proxy
    this.#direction = direction
    from.on('data', (bytes: Buffer) => this.#take(bytes))
    from.on('end', () => this.#take(undefined))
  }

  /** Sends on what is due. */
  flush(): void {
    if (this.#proxy.holding) return
    while (this.#timer === undefined) {
      const [first] = this.#queue
      if (first === undefined) return
      const waitMs = first.dueMs - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = undefined
          this.flush()
        }, waitMs)
        return
      }
      this.#queue.shift()
      this.#send(first.bytes)
    }
  }

  /** Nothing more comes. */
  end(): void {
    this.#take(undefined)
  }

  drop(): void {
    clearTimeout(this.#timer)
    this.#queue = []
    this.#dropped = true
  }

  #take(bytes: Buffer | undefined): void {
    if (this.#dropped) return
    this.#queue.push({ bytes, dueMs: performance.now() + this.#proxy.latencyMs })
    this.flush()
  }

  #send(bytes: Buffer | undefined): void {
    const to = this.#to()
    if (to.destroyed) return
    if (bytes === undefined) to.end()
    else if (this.#direction === 'answer' && this.#proxy.takeTear(bytes.length)) {
      // A reset would throw away what wasn't read yet.
      to.end(bytes.subarray(0, bytes.length >> 1))
      this.#from.resetAndDestroy()
    } else if (!to.write(bytes)) {
      this.#from.pause()
      to.once('drain', () => this.#from.resume())
    }
  }
}

class Connection {
  readonly #client: Socket
  readonly #proxy: TcpProxy
  readonly #closed: () => void
  readonly #request: Way
  #answer: Way | undefined
  #server: Socket | undefined

  constructor(client: Socket, proxy: TcpProxy, closed: () => void) {
    this.#client = client.setNoDelay()
    this.#proxy = proxy
    this.#closed = closed
    this.#request = new Way(client, () => this.#connected(), proxy, 'request')
    client.on('error', () => this.reset())
    // What it had sent still arrives, as it would from the kernel's buffers.
    client.on('close', () => {
      this.#request.end()
      this.#forget()
    })
    if (!proxy.holding) this.#connected()
  }

  reset(): void {
    this.#request.drop()
    this.#answer?.drop()
    this.#client.resetAndDestroy()
    this.#server?.resetAndDestroy()
    this.#closed()
  }

  resume(): void {
    if (!this.#client.destroyed) this.#connected()
    this.#request.flush()
    this.#answer?.flush()
  }

  #connected(): Socket {
    if (this.#server !== undefined) return this.#server
    const server = connect(this.#proxy.targetPort, '127.0.0.1').setNoDelay()
    this.#server = server
    const answer = new Way(server, () => this.#client, this.#proxy, 'answer')
    this.#answer = answer
    server.on('error', () => this.reset())
    server.on('close', () => {
      answer.end()
      this.#forget()
    })
    return server
  }

  #forget(): void {
    if (this.#client.destroyed && this.#server?.destroyed !== false) this.#closed()
  }
}
