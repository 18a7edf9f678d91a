import type { Transferable } from 'node:worker_threads'
import { LogfoldError, messageOf } from '../../src/model/errors.ts'
import { Thread, type ThreadFunctions } from '../../src/sqlite/thread.ts'

/** A thread that starts with its first call, and again after it died. */
export class LazyThread<Functions extends ThreadFunctions> {
  readonly #url: URL
  readonly #data: unknown
  #thread: Thread<Functions> | undefined
  #closing: Promise<void> | undefined

  constructor(url: URL, data: unknown) {
    this.#url = url
    this.#data = data
  }

  /** @throws what the function threw; closed; view-unavailable when the thread died, and then nothing is known of the call. */
  async call<Name extends keyof Functions & string>(
    name: Name,
    args: Parameters<Functions[Name]>,
    transfer: readonly Transferable[] = [],
  ): Promise<Awaited<ReturnType<Functions[Name]>>> {
    if (this.#closing !== undefined) throw new LogfoldError('closed', 'The SQLite backend was closed')
    this.#thread ??= new Thread<Functions>(this.#url, this.#data)
    const thread = this.#thread
    try {
      return await thread.call(name, args, transfer)
    } catch (error) {
      if (this.#closing !== undefined || !thread.ended) throw error
      if (this.#thread === thread) this.#thread = undefined
      throw new LogfoldError('view-unavailable', `The SQLite thread died: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Waits for the calls made before. */
  close(): Promise<void> {
    this.#closing ??= this.#thread?.close() ?? Promise.resolve()
    return this.#closing
  }
}
