import { Running } from './running.ts'

export interface ProcessOptions {
  readonly bootstrap: string
  readonly dataDir: string
  readonly role: 'api' | 'worker' | 'all'
  readonly args?: readonly string[]
}

/** logfold on Kafka and SQLite. */
export function onKafka({ bootstrap, dataDir, role, args = [] }: ProcessOptions): Running {
  return new Running({ dataDir, args: ['-c', 'config/kafka-sqlite.yaml', '--set', `log.brokers=${bootstrap}`, '--role', role, ...args] })
}

/** What a write was answered. */
export interface Answer {
  readonly status: number
  /** Of a problem. */
  readonly code: string | undefined
  /** `partition:offset` of an acknowledged one. */
  readonly place: string | undefined
  readonly retryAfter: string | null
  readonly tookMs: number
}

export async function put(url: string, view: string, id: string, value: unknown): Promise<Answer> {
  const startedMs = performance.now()
  const response = await fetch(`${url}/api/${view}/${id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(value),
  })
  const { code } = (await response.json()) as { code?: string }
  const { headers, status } = response
  const tookMs = performance.now() - startedMs
  return { status, code, place: headers.get('logfold-offset') ?? undefined, retryAfter: headers.get('retry-after'), tookMs }
}
