import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { LogfoldError, messageOf } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { answerParserErrors } from './parser-errors.ts'
import { sendProblem } from './problem.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface ListenerOptions extends Address {
  /** The section of the config that names the address, for remedies. */
  readonly section: 'http' | 'admin'
  /** How long requests under way may take once it is closed, before they are cut off. */
  readonly drainMs: number
}

/** Longer than the longest wait a client can ask for; a connection on which nothing moves for so long is given up. */
const IDLE_MS = 120_000
const HEADERS_MS = 30_000
/**
 * How long a connection is kept between two requests. Longer than what load balancers and clients keep one for, which is 60 s with most: else they
 * send a request on one that is just being closed, and get a reset for an answer.
 */
const KEPT_MS = 75_000
/** For a bulk load over a slow line. */
const REQUEST_MS = 3_600_000

/** An HTTP server that is opened and closed once, and whose every refusal is a problem document. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  #closing: Promise<void> | undefined

  constructor(options: ListenerOptions, app: RequestListener) {
    this.#options = options
    this.#server = createServer({
      // One parser limit for URL and headers together; `guards` measures each. The Host header is its matter, too.
      maxHeaderSize: limits.urlBytesMax + limits.headerBytesMax + 1024,
      requireHostHeader: false,
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEPT_MS,
    })
    this.#server.timeout = IDLE_MS
    answerParserErrors(this.#server)
    const answer: RequestListener = (request, response) => {
      if (this.#closing === undefined) app(request, response)
      else this.#refuse(response)
    }
    this.#server.on('request', answer)
    // An expectation nobody knows may be ignored (RFC 9110, 10.1.1); Node's own 417 has no body.
    this.#server.on('checkExpectation', answer)
  }

  /** @throws config-invalid where the address can't be had */
  async listen(): Promise<Address> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', error => reject(this.#cannotListen(error)))
      this.#server.listen({ host, port }, resolve)
    })
    const address = this.#server.address()
    return { host, port: typeof address === 'object' && address !== null ? address.port : port }
  }

  /** Takes no more connections, lets requests under way end for `drainMs`, then cuts them off. May be repeated. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (!this.#server.listening) return
    const deadline = setTimeout(() => this.#server.closeAllConnections(), this.#options.drainMs)
    // A connection becomes idle when its answer ends, and Node closes those that are idle only when it is asked.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), 20)
    await new Promise(resolve => this.#server.close(resolve))
    clearInterval(sweep)
    clearTimeout(deadline)
  }

  #refuse(response: ServerResponse): void {
    response.setHeader('Connection', 'close')
    sendProblem(response, new LogfoldError('closing', 'The server is shutting down'))
  }

  #cannotListen(error: NodeJS.ErrnoException): LogfoldError {
    const { host, port, section } = this.#options
    const taken = error.code === 'EADDRINUSE'
    return new LogfoldError('config-invalid', `Cannot listen on ${host}:${port}: ${taken ? 'another process does' : messageOf(error)}`, {
      cause: error,
      remedy: `Set another address: --set ${section}.${taken ? `port=${port + 1}` : 'host=127.0.0.1'}`,
    })
  }
}
