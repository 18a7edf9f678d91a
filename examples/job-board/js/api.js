import { createPlaces } from './places.js'

const readTimeoutMs = 60_000
/** The API answers a write within about 11 s, be it with 504. */
const writeTimeoutMs = 30_000

/** What went wrong, as the API told it (problem+json), or as far as the page can tell. */
export class ApiError extends Error {
  constructor({ code, title, detail, remedy, errors }, retryAfterMs) {
    super(detail || title)
    this.code = code
    this.title = title
    this.detail = detail
    this.remedy = remedy
    /** @type {{ pointer: string, detail: string }[]} */
    this.errors = Array.isArray(errors) ? errors : []
    this.retryAfterMs = retryAfterMs
  }
}

/** The view at `root`, for example `/api/job`. */
export function createApi(root) {
  const seen = createPlaces()

  async function list() {
    const after = seen.header()
    const headers = { Accept: 'application/json', ...(after === undefined ? {} : { 'Logfold-After': after }) }
    try {
      const response = await send(root, { headers }, readTimeoutMs)
      seen.add(response.headers.get('Logfold-Offset'))
      return await bodyOf(response)
    } catch (error) {
      if (after === undefined || error.code !== 'invalid-offset') throw error
      seen.clear()
      return list()
    }
  }

  async function write(method, path, value) {
    const body = value === undefined ? undefined : JSON.stringify(value)
    const headers = { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) }
    const response = await send(path, { method, headers, body }, writeTimeoutMs)
    const { id, offset } = JSON.parse(await bodyOf(response))
    seen.add(response.headers.get('Logfold-Offset') ?? offset)
    return { id, visible: response.status !== 202 }
  }

  const entry = id => `${root}/${encodeURIComponent(id)}`
  return {
    /** The whole view as the text of one JSON object `{id: value}`, never older than what this page wrote. @throws ApiError */
    list,
    /** Each write answers `{ id, visible }`; it is in the log, and not `visible` when the view hasn't folded it yet. @throws ApiError */
    post: value => write('POST', root, value),
    put: (id, value) => write('PUT', entry(id), value),
    delete: id => write('DELETE', entry(id)),
    address: entry,
  }
}

async function send(url, init, timeoutMs) {
  let response
  try {
    response = await fetch(url, { ...init, cache: 'no-store', signal: AbortSignal.timeout(timeoutMs) })
  } catch (cause) {
    throw unreachable(cause)
  }
  if (response.ok) return response
  throw await problemOf(response)
}

/** A list that breaks off half way is cut by the server, so a body that was read is whole. */
async function bodyOf(response) {
  try {
    return await response.text()
  } catch (cause) {
    throw unreachable(cause)
  }
}

const unreachable = cause =>
  new ApiError({
    code: 'unreachable',
    title: 'The API doesn’t answer',
    detail: cause?.name === 'TimeoutError' ? 'It took too long to answer.' : 'The connection failed or broke off.',
    remedy: 'Check that logfold is running and that this device can reach it.',
  })

async function problemOf(response) {
  const retryAfterMs = 1000 * Number(response.headers.get('Retry-After')) || undefined
  const problem = await response.json().catch(() => undefined)
  if (typeof problem?.code === 'string') return new ApiError(problem, retryAfterMs)
  return new ApiError({ code: 'unknown', title: 'Something else answered', detail: `The answer was HTTP ${response.status}.` }, retryAfterMs)
}
