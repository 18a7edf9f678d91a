/** Lets callers wait until something is so, which is asked again at each move of what it depends on. */
export class Moves {
  #next = fresh()
  #ended = false

  /** Something has changed. */
  moved(): void {
    if (this.#ended) return
    const moved = this.#next
    this.#next = fresh()
    moved.resolve()
  }

  /** Nothing changes any more: whoever waits, or comes to wait for what isn't so, gets this error. */
  end(error: unknown): void {
    this.#ended = true
    this.#next.reject(error)
  }

  /** Settles once it is so. @throws the signal's reason, where it comes first; what ended the moves */
  async until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<void>()
    const stop = (): void => stopped.resolve()
    signal.addEventListener('abort', stop)
    try {
      while (!isSo()) {
        signal.throwIfAborted()
        await Promise.race([this.#next.promise, stopped.promise])
      }
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}

function fresh(): PromiseWithResolvers<void> {
  const move = Promise.withResolvers<void>()
  move.promise.catch(() => undefined)
  return move
}
