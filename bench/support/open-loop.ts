import { Agent, request } from 'node:http'

export interface LoadOptions {
  /** Requests a second, whatever becomes of the earlier ones. */
  readonly rate: number
  readonly seconds: number
  readonly connections: number
  readonly request: (nth: number) => { readonly url: string; readonly body: string }
}

/** One request and its answer. Times are milliseconds since the load began. */
export interface Answered {
  readonly nth: number
  /** When it was due; it was sent later where every connection was taken. */
  readonly dueMs: number
  readonly sentMs: number
  readonly answeredMs: number
  /** 0: the connection failed. */
  readonly status: number
  /** The header that names where a write is in the log. */
  readonly place: string | undefined
}

/** Requests that wait for a connection, at most; beyond, the load has failed. */
const WAITING_MAX = 60_000
const TICK_MS = 2
const ANSWER_MS = 60_000

/**
 * Puts at a fixed rate over a fixed number of connections that stay open. A slow answer doesn't slow the rate: what is due meanwhile waits for a connection, and its time counts from
 * when it was due. Settles when everything was answered.
 */
export async function openLoop(options: LoadOptions): Promise<readonly Answered[]> {
  const { rate, seconds, connections } = options
  const agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' })
  const total = rate * seconds
  const answered: Answered[] = []
  const startedMs = performance.now()
  const now = (): number => performance.now() - startedMs
  const done = Promise.withResolvers<void>()
  let due = 0
  let begun = 0
  let underWay = 0

  const sendDue = (): void => {
    due = Math.min(total, Math.floor((now() * rate) / 1_000))
    if (due - begun > WAITING_MAX) done.reject(new Error(`${due - begun} requests wait for a connection`))
    while (begun < due && underWay < connections) void sendOne(begun++)
  }
  const sendOne = async (nth: number): Promise<void> => {
    underWay++
    const sentMs = now()
    const { status, place } = await put(agent, options.request(nth))
    answered.push({ nth, dueMs: (nth * 1_000) / rate, sentMs, answeredMs: now(), status, place })
    underWay--
    if (answered.length === total) done.resolve()
    else sendDue()
  }

  const ticking = setInterval(sendDue, TICK_MS)
  try {
    await done.promise
  } finally {
    clearInterval(ticking)
    agent.destroy()
  }
  return answered.toSorted((a, b) => a.nth - b.nth)
}

function put(agent: Agent, { url, body }: ReturnType<LoadOptions['request']>): Promise<Pick<Answered, 'status' | 'place'>> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return new Promise(resolve => {
    const failed = (): void => resolve({ status: 0, place: undefined })
    const sending = request(url, { agent, method: 'PUT', headers, timeout: ANSWER_MS }, response => {
      const { 'logfold-offset': place } = response.headers
      response
        .on('error', failed)
        .on('end', () => resolve({ status: response.statusCode ?? 0, place: place === undefined ? undefined : String(place) }))
      response.resume()
    })
    sending.on('error', failed).on('timeout', () => sending.destroy())
    sending.end(body)
  })
}

/** The p-th of a hundred, in milliseconds. */
export function percentile(sortedMs: readonly number[], p: number): number {
  return sortedMs[Math.min(sortedMs.length - 1, Math.floor((sortedMs.length * p) / 100))] ?? 0
}
