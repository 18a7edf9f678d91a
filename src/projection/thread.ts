import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { messageOf } from '../model/errors.ts'
import type { ProjectionLimits } from './limits.ts'
import { type Answer, type Batch, isAnswer, isLoaded, type Loaded, NO_RECORD, type ThreadData } from './messages.ts'

/** How often a thread at work is looked at. */
const LOOK_MS = 20

/** What became of a batch. `at`: the record under way when the thread ended; undefined where none was. */
export type Ran =
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'timeout' | 'ended'; readonly at: number | undefined; readonly detail: string }

type Ended = Exclude<Ran, { kind: 'answered' }>

/**
 * One thread that has loaded a projection, and runs one batch at a time. It has neither the environment nor the output of the process. A batch that
 * doesn't come to its end costs the thread.
 */
export class ProjectionThread {
  readonly #limits: ProjectionLimits
  readonly #worker: Worker
  readonly #progress = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)).fill(NO_RECORD)
  readonly #ending = Promise.withResolvers<Ended>()
  #ended = false

  constructor(data: Omit<ThreadData, 'progress' | 'heapKeptMiB'>, limits: ProjectionLimits) {
    this.#limits = limits
    const path = fileURLToPath(new URL('./host', import.meta.url)) + extname(import.meta.filename)
    this.#worker = new Worker(path, {
      workerData: { ...data, heapKeptMiB: limits.heapKeptMiB, progress: this.#progress.buffer as SharedArrayBuffer } satisfies ThreadData,
      name: `projection:${data.name}`,
      argv: [],
      execArgv: [],
      env: {},
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: limits.heapMiB },
    })
    // What nobody reads is kept.
    this.#worker.stdout.resume()
    this.#worker.stderr.resume()
    this.#worker.on('error', error => this.#end('ended', `it ended its thread: ${messageOf(error)}`))
    this.#worker.on('exit', code => this.#end('ended', `it ended its thread, with the exit code ${code}`))
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Settles once it can run batches, or with why it never will. */
  async loaded(): Promise<Loaded> {
    const { loadMs } = this.#limits
    const late = setTimeout(() => this.#end('timeout', `it is not loaded after ${loadMs / 1000} s`), loadMs)
    const loaded = Promise.withResolvers<Loaded>()
    this.#worker.once('message', (message: unknown) => {
      if (isLoaded(message)) loaded.resolve(message)
      else this.#end('ended', FOREIGN_MESSAGE)
    })
    const ending = this.#ending.promise.then(({ detail }): Loaded => ({ kind: 'unusable', detail: `When it was loaded, ${detail}`, line: undefined }))
    try {
      return await Promise.race([loaded.promise, ending])
    } finally {
      clearTimeout(late)
    }
  }

  async run(batch: Batch): Promise<Ran> {
    const answered = Promise.withResolvers<Ran>()
    const answer = (message: unknown): void => {
      if (isAnswer(message, batch.keys.length)) answered.resolve({ kind: 'answered', answer: message })
      else this.#end('ended', FOREIGN_MESSAGE)
    }
    this.#worker.once('message', answer)
    const stopWatching = this.#watch()
    this.#worker.postMessage(batch, [batch.values.buffer])
    try {
      return await Promise.race([answered.promise, this.#ending.promise])
    } finally {
      stopWatching()
      this.#worker.off('message', answer)
    }
  }

  /** Also in the middle of a batch. */
  async close(): Promise<void> {
    this.#end('ended', 'it was closed')
    await this.#worker.terminate()
  }

  /** Ends the thread when a record takes too long. */
  #watch(): () => void {
    const { recordCpuMs, recordMs } = this.#limits
    let at = Number.NaN
    let sinceMs = 0
    let sinceCpuMs: number | undefined
    const look = (): void => {
      const now = Atomics.load(this.#progress, 0)
      if (now !== at) {
        at = now
        sinceMs = performance.now()
        sinceCpuMs = undefined
      }
      if (performance.now() - sinceMs >= recordMs) this.#end('timeout', `it took more than ${recordMs / 1000} s`)
      void this.#cpuMs().then(cpuMs => {
        if (now !== at) return
        sinceCpuMs ??= cpuMs
        if (cpuMs - sinceCpuMs >= recordCpuMs) this.#end('timeout', `it took more than ${recordCpuMs} ms of processor time`)
      }, ignored)
    }
    look()
    const timer = setInterval(look, LOOK_MS)
    return () => clearInterval(timer)
  }

  /** Fails where the thread has ended; doesn't settle while it sleeps. Then the clock alone ends a record. */
  async #cpuMs(): Promise<number> {
    const { user, system } = await this.#worker.cpuUsage()
    return (user + system) / 1000
  }

  #end(kind: Ended['kind'], detail: string): void {
    if (this.#ended) return
    this.#ended = true
    const at = Atomics.load(this.#progress, 0)
    this.#ending.resolve({ kind, at: at === NO_RECORD ? undefined : at, detail })
    void this.#worker.terminate()
  }
}

/** Whoever waits for an answer would take the next one for it. */
const FOREIGN_MESSAGE = 'it posted a message of its own'

const ignored = (): void => undefined
