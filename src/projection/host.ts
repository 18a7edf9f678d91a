import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../model/errors.ts'
import type { Fault } from '../model/fault.ts'
import type { ViewFormat } from '../model/generation.ts'
import { lineOf, loadProjection, type ProjectionFunction } from './load.ts'
import { type Answer, type Batch, type Loaded, NO_RECORD, type ThreadData } from './messages.ts'
import { bytesOfResult } from './result.ts'

/** The module that runs in a projection's thread. */

const RESULT_BYTES_MAX = 8 * 1024 * 1024
/** How often the heap is looked at. */
const LOOK_RECORDS = 64
const MESSAGE_LENGTH_MAX = 400

const data = workerData as ThreadData
const progress = new Int32Array(data.progress)
const port = parentPort
if (port === null) throw new Error('A projection runs in a worker thread')

const loading = await loadProjection(data)
// After what its top level left to do has failed, if it does.
await new Promise(resolve => setImmediate(resolve))
if ('project' in loading) {
  const { project } = loading
  port.on('message', (batch: Batch) => {
    const answer = run(project, batch)
    // A rejection that nobody handles ends the thread before this.
    setImmediate(() => port.postMessage(answer, [answer.values.buffer]))
  })
  port.postMessage(loading.loaded satisfies Loaded)
} else {
  port.postMessage(loading satisfies Loaded)
  port.close()
}

function run(project: ProjectionFunction, { keys, values, ends }: Batch): Answer {
  const parts: Uint8Array[] = []
  const results: (number | 'nothing' | Fault)[] = []
  let bytes = 0
  for (const [at, key] of keys.entries()) {
    Atomics.store(progress, 0, at)
    const result = one(project, key, values.subarray(ends[at - 1] ?? 0, ends[at]))
    if (result instanceof Uint8Array) {
      parts.push(result)
      results.push(result.length)
      bytes += result.length
    } else results.push(result ?? 'nothing')
    if (bytes >= RESULT_BYTES_MAX || (results.length % LOOK_RECORDS === 0 && isFull())) break
  }
  Atomics.store(progress, 0, NO_RECORD)
  return { values: joined(parts, bytes), results, full: isFull() }
}

const isFull = (): boolean => getHeapStatistics().used_heap_size > data.heapKeptMiB * 1024 * 1024

function one(project: ProjectionFunction, key: string, value: Uint8Array): Uint8Array | Fault | undefined {
  let result: unknown
  try {
    result = project(decoded(data.format, value), key)
  } catch (error) {
    return { reason: 'projection-threw', detail: thrown(error) }
  }
  return bytesOfResult(data.format, result)
}

function decoded(format: ViewFormat, value: Uint8Array): unknown {
  // Its own bytes, which it may keep and change.
  if (format === 'bytes') return value.slice()
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('utf8')
  return format === 'json' ? JSON.parse(text) : text
}

/** Whatever may be thrown, and whatever its members do. */
function thrown(error: unknown): string {
  try {
    const name = error instanceof Error ? `${error.name}: ` : ''
    const line = lineOf(error, `projection:${data.name}`)
    return `The projection threw ${`${name}${messageOf(error)}`.slice(0, MESSAGE_LENGTH_MAX)}${line === undefined ? '' : `, in line ${line}`}`
  } catch {
    return 'The projection threw what cannot be told'
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
