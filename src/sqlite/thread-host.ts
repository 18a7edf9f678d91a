import { parentPort, type Transferable } from 'node:worker_threads'
import { LogfoldError, messageOf } from '../model/errors.ts'
import type { Request, Response, ThreadFunctions, ThrownError } from './thread.ts'

const transfers = new WeakMap<object, readonly Transferable[]>()

/** Marks what of a result moves to the other side instead of being copied. */
export function moving<T extends object>(result: T, transfer: readonly Transferable[]): T {
  transfers.set(result, transfer)
  return result
}

/** Answers calls with these functions, one after another. `close`, where there is one, runs before the thread ends. */
export function serve(functions: ThreadFunctions): void {
  const port = parentPort
  if (port === null) throw new Error('serve runs in a worker thread')
  let last: Promise<void> = Promise.resolve()
  port.on('message', (request: Request) => {
    last = last.then(async () => {
      const response = await answer(functions, request)
      if (request.name === 'close') port.close()
      else port.postMessage(response, response.ok && isObject(response.value) ? [...(transfers.get(response.value) ?? [])] : [])
    })
  })
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

async function answer(functions: ThreadFunctions, request: Request): Promise<Response> {
  try {
    return { call: request.call, ok: true, value: await functions[request.name]?.(...request.args) }
  } catch (error) {
    return { call: request.call, ok: false, error: thrown(error) }
  }
}

const thrown = (error: unknown): ThrownError => ({
  message: messageOf(error),
  code: error instanceof LogfoldError ? error.code : undefined,
  remedy: error instanceof LogfoldError ? error.remedy : undefined,
  stack: error instanceof Error ? error.stack : undefined,
})
