import { Readable } from 'node:stream'

export interface Asked {
  readonly method: 'GET' | 'PUT' | 'DELETE'
  readonly url: string
  readonly params: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answered {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** What the route threw, after it had set these headers. */
  readonly error: unknown
}

/** A route of src/api; what it is given is made up here. */
type Route = (request: never, response: never, next: never) => unknown

/** The connection was cut off before the answer. */
export class CutOff extends Error {}

/** Calls a route as express would, with as much of request and response as it looks at. */
export async function ask(route: Route, { method, url, params, headers, body }: Asked): Promise<Answered> {
  const stream = Readable.from(body === undefined ? [] : [Buffer.from(body)])
  const request = Object.assign(stream, {
    method,
    url,
    params,
    headers,
    complete: true,
    get: (name: string) => headers[name.toLowerCase()],
    accepts: ([first]: readonly string[]) => first,
  })
  const sent = new Map<string, string>()
  const response = {
    statusCode: 200,
    headersSent: false,
    setHeader: (name: string, value: unknown) => void sent.set(name.toLowerCase(), String(value)),
    hasHeader: (name: string) => sent.has(name.toLowerCase()),
    removeHeader: (name: string) => void sent.delete(name.toLowerCase()),
    vary: () => undefined,
    text: '',
    destroyed: false,
    destroy() {
      response.destroyed = true
    },
    end(bytes?: Uint8Array | string) {
      response.text = bytes === undefined ? '' : Buffer.from(bytes as Uint8Array).toString()
    },
  }
  let error: unknown
  try {
    await route(request as never, response as never, undefined as never)
    if (response.destroyed) error = new CutOff()
  } catch (thrown) {
    error = thrown
  }
  return { status: response.statusCode, headers: sent, body: response.text, error }
}
