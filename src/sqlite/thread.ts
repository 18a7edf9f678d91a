import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Transferable, Worker } from 'node:worker_threads'
import { type ErrorCode, errorKinds, LogfoldError } from '../model/errors.ts'

/**
 * A thread that owns a connection to a SQLite file, so that its fsyncs and scans never hold up the event loop. The other half is `serve` in
 * `thread-host.ts`. Calls are answered one after another, in the order made.
 */

/** What a thread's module offers: each function is called in the thread. Arguments and results are structured clones. */
// biome-ignore lint/suspicious/noExplicitAny: any function will do here; `Thread` keeps each one's own types.
export type ThreadFunctions = Record<string, (...args: any[]) => unknown>

export interface Request {
  readonly call: number
  readonly name: string
  readonly args: readonly unknown[]
}

export type Response =
  | { readonly call: number; readonly ok: true; readonly value: unknown }
  | { readonly call: number; readonly ok: false; readonly error: ThrownError }

/** A structured clone of an error loses its class and members; these come through. */
export interface ThrownError {
  readonly message: string
  readonly code: string | undefined
  readonly remedy: string | undefined
  readonly stack: string | undefined
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class Thread<Functions extends ThreadFunctions> {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #ended: Error | undefined

  /**
   * @param url the module to run, without its extension: source and build have different ones.
   * @param data reaches the module as `workerData`.
   */
  constructor(url: URL, data: unknown) {
    this.#worker = new Worker(fileURLToPath(url) + extname(import.meta.filename), { workerData: data })
    this.#worker.on('message', (response: Response) => this.#answered(response))
    this.#worker.on('error', error => this.#end(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('exit', () => this.#end(new LogfoldError('closed', 'The thread has ended')))
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** Calls back if the thread ends before it was told to: a bug, or no memory left. */
  onDeath(listener: (error: Error) => void): void {
    this.#worker.on('error', error => listener(error instanceof Error ? error : new Error(String(error))))
  }

  /** @throws what the function threw; `closed` once the thread has ended. */
  call<Name extends keyof Functions & string>(
    name: Name,
    args: Parameters<Functions[Name]>,
    transfer: readonly Transferable[] = [],
  ): Promise<Awaited<ReturnType<Functions[Name]>>> {
    const ended = this.#ended
    if (ended !== undefined) return Promise.reject(ended)
    const call = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve: resolve as Waiting['resolve'], reject })
      this.#worker.postMessage({ call, name, args } satisfies Request, transfer)
    })
  }

  /** Waits for the calls made before, runs the module's `close` if it has one, and ends the thread. May be repeated. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const exited = new Promise(resolve => this.#worker.once('exit', resolve))
    this.#ended = new LogfoldError('closed', 'It was closed already')
    this.#worker.postMessage({ call: 0, name: 'close', args: [] } satisfies Request)
    await exited
  }

  #answered(response: Response): void {
    const waiting = this.#waiting.get(response.call)
    this.#waiting.delete(response.call)
    if (response.ok) waiting?.resolve(response.value)
    else waiting?.reject(revive(response.error))
  }

  #end(error: Error): void {
    this.#ended ??= error
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}

function revive(thrown: ThrownError): Error {
  const known = thrown.code !== undefined && thrown.code in errorKinds
  const error = known ? new LogfoldError(thrown.code as ErrorCode, thrown.message, { remedy: thrown.remedy }) : new Error(thrown.message)
  if (thrown.stack !== undefined) error.stack = thrown.stack
  return error
}
