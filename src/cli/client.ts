import { type ErrorCode, type ErrorDetail, errorKinds, LogfoldError, messageOf } from '../model/errors.ts'

/** Longer than the longest time a server takes to answer a write of unknown outcome. */
const ANSWER_MS = 60_000

/** Where nothing can have been sent: the connection was never there. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT'])

export interface ClientOptions {
  /** Without a slash at the end. */
  readonly url: string
  readonly token: string | undefined
  /** How a user names another address. */
  readonly addressHint: string
}

export interface ClientRequest {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array<ArrayBuffer>
  readonly signal?: AbortSignal
  /** To do it twice is to do it once: then a connection that broke leaves nothing to wonder about. */
  readonly repeatable?: boolean
}

/** Talks to one listener, and turns every way to fail into an error of the table. */
export class Client {
  readonly url: string
  readonly #options: ClientOptions

  constructor(options: ClientOptions) {
    this.url = options.url
    this.#options = options
  }

  /**
   * The answer, whose body is still to be read.
   * @throws unreachable where the request wasn't sent; outcome-unknown where it was a write that may have been; what the server answered.
   */
  async request(path: string, { method = 'GET', headers = {}, body, signal, repeatable = method === 'GET' }: ClientRequest = {}): Promise<Response> {
    const { token } = this.#options
    const kind = repeatable ? 'GET' : method
    // For the head of the answer only: a list takes as long as it takes.
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(new Error(`no answer in ${ANSWER_MS / 1000} s`)), ANSWER_MS)
    let response: Response
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers: { ...headers, ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }) },
        signal: signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]),
        ...(body === undefined ? {} : { body }),
      })
    } catch (error) {
      throw this.failed(error, kind)
    } finally {
      clearTimeout(timer)
    }
    if (response.ok) return response
    throw await this.#refused(response, kind)
  }

  /** The document that answers a request which may be repeated. @throws what `request` throws; unreachable where the answer breaks off */
  async getJson(path: string, request: Omit<ClientRequest, 'repeatable'> = {}): Promise<unknown> {
    const response = await this.request(path, { ...request, repeatable: true })
    try {
      return await response.json()
    } catch (error) {
      throw this.failed(error, 'GET')
    }
  }

  /** The document that answers a request which may not be repeated. @throws what `request` throws; outcome-unknown where the answer breaks off */
  async writeJson(path: string, request: Omit<ClientRequest, 'repeatable'>): Promise<unknown> {
    const response = await this.request(path, request)
    try {
      return await response.json()
    } catch (error) {
      throw this.failed(error, 'POST')
    }
  }

  /** What it means that a request, or reading its answer, threw. */
  failed(error: unknown, method: string): LogfoldError {
    const { code, message } = causeOf(error)
    if (method === 'GET' || NOT_CONNECTED.has(code)) {
      return new LogfoldError('unreachable', `${this.url} cannot be reached: ${message}`, {
        cause: error,
        remedy: `Start the server with logfold start, or give another address with ${this.#options.addressHint}.`,
      })
    }
    return new LogfoldError('outcome-unknown', `The connection to ${this.url} broke before the answer (${message}); the write may have been done`, {
      cause: error,
      remedy: 'Look, or repeat it: put and del may be repeated.',
    })
  }

  async #refused(response: Response, method: string): Promise<LogfoldError> {
    const text = await response.text().catch(() => '')
    const problem = problemIn(text, response)
    if (problem !== undefined) return problem
    const { status } = response
    const detail = `${this.url} answered ${status} ${response.statusText}`.trimEnd()
    if (method !== 'GET' && (status === 502 || status === 504)) return new LogfoldError('outcome-unknown', detail)
    return new LogfoldError('unreachable', `${detail}, and not as logfold does`, {
      remedy: `Is that logfold's address? Give another with ${this.#options.addressHint}.`,
    })
  }
}

interface ProblemDocument {
  readonly code?: unknown
  readonly detail?: unknown
  readonly remedy?: unknown
  readonly errors?: unknown
}

/** The error that a problem document stands for; undefined where it is none of ours. */
export function problemError(problem: ProblemDocument, retryAfterMs?: number): LogfoldError | undefined {
  const { code, detail, remedy, errors } = problem
  if (typeof code !== 'string' || !Object.hasOwn(errorKinds, code)) return undefined
  const known = code as ErrorCode
  const advice = known === 'unauthorized' ? 'Set LOGFOLD_TOKEN to a token that the config names.' : remedy
  return new LogfoldError(known, typeof detail === 'string' ? detail : errorKinds[known].title, {
    remedy: typeof advice === 'string' ? advice : undefined,
    errors: Array.isArray(errors) ? errors.filter(isErrorDetail) : undefined,
    retryAfterMs,
  })
}

function problemIn(text: string, { headers }: Response): LogfoldError | undefined {
  if (headers.get('Content-Type') !== 'application/problem+json') return undefined
  const retryAfterSeconds = Number(headers.get('Retry-After') ?? Number.NaN)
  try {
    const problem: unknown = JSON.parse(text)
    if (typeof problem !== 'object' || problem === null) return undefined
    return problemError(problem, Number.isFinite(retryAfterSeconds) ? retryAfterSeconds * 1000 : undefined)
  } catch {
    return undefined
  }
}

const isErrorDetail = (value: unknown): value is ErrorDetail => typeof value === 'object' && value !== null && 'pointer' in value && 'detail' in value

/** fetch says `fetch failed`; what failed is its cause. */
function causeOf(error: unknown): { readonly code: string; readonly message: string } {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : ''
  return { code, message: messageOf(cause) || code }
}
