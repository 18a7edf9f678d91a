import { Agent, type IncomingHttpHeaders, request } from 'node:http'

/** Far above what logfold lets a client wait. */
const GIVE_UP_MS = 45_000

export interface Asked {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly port: number
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answered {
  /** 0: there was no answer. */
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The answer ended as it should. */
  readonly whole: boolean
  /** Why there was no whole one: `ECONNREFUSED`, which means that nothing was sent; `gave-up`; others. */
  readonly failure: string | undefined
}

/** A client that keeps its connections, and costs little of the processor, which the servers need. */
export class HttpClient {
  // Node's agent heeds for how long a server says that it keeps a connection only where it has a timeout of its own.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256, timeout: GIVE_UP_MS })

  ask({ method, port, path, headers = {}, body }: Asked): Promise<Answered> {
    const { promise, resolve } = Promise.withResolvers<Answered>()
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const asking = request({ host: '127.0.0.1', port, path, method, agent: this.#agent, headers: { ...headers, ...length } })
    const chunks: Buffer[] = []
    let gaveUp = false
    const timer = setTimeout(() => {
      gaveUp = true
      asking.destroy()
    }, GIVE_UP_MS)
    const settle = (status: number, responseHeaders: IncomingHttpHeaders, failure: string | undefined): void => {
      clearTimeout(timer)
      const told = failure === undefined ? undefined : gaveUp ? 'gave-up' : failure
      resolve({ status, headers: responseHeaders, body: Buffer.concat(chunks).toString(), whole: told === undefined, failure: told })
    }
    asking.on('response', response => {
      const { statusCode = 0 } = response
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => settle(statusCode, response.headers, undefined))
      response.on('error', (error: NodeJS.ErrnoException) => settle(statusCode, response.headers, error.code ?? error.message))
    })
    asking.on('error', (error: NodeJS.ErrnoException) => settle(0, {}, error.code ?? error.message))
    asking.end(body)
    return promise
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Of a problem document; empty where there is none. */
export function codeOf(body: string): string {
  return /"code":"([a-z-]+)"/.exec(body)?.[1] ?? ''
}
