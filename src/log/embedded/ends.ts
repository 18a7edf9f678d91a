import type { Offset } from '../../model/record.ts'

/** How often a waiting process looks whether another one has written. Milliseconds. */
const POLL_MS = 50

interface Waiting {
  readonly position: Offset
  readonly wake: () => void
}

/**
 * The end offsets this process knows of, and what waits for one to move. They move by what this process appends, and by one poll for all that wait,
 * for what other processes append. Nobody waits: no poll.
 */
export class Ends {
  readonly #poll: () => Promise<readonly Offset[] | undefined>
  readonly #known = new Map<number, Offset>()
  readonly #waiting = new Map<number, Set<Waiting>>()
  #polling = false

  /** @param poll end offsets by partition number; undefined when nothing has changed since the last call. */
  constructor(poll: () => Promise<readonly Offset[] | undefined>) {
    this.#poll = poll
  }

  reached(number: number, end: Offset): void {
    if (end <= (this.#known.get(number) ?? 0)) return
    this.#known.set(number, end)
    for (const { position, wake } of this.#waiting.get(number) ?? []) if (end > position) wake()
  }

  /** Settles when the partition is known to go beyond `position`, when the time is over, or when the signal says so. */
  async beyond(number: number, position: Offset, waitMs: number, signal: AbortSignal): Promise<void> {
    if ((this.#known.get(number) ?? 0) > position || signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    const waiting = { position, wake }
    const atPartition = this.#waiting.get(number) ?? new Set()
    this.#waiting.set(number, atPartition.add(waiting))
    const timer = setTimeout(wake, waitMs)
    signal.addEventListener('abort', wake)
    void this.#pollWhileWaiting()
    await promise
    signal.removeEventListener('abort', wake)
    clearTimeout(timer)
    atPartition.delete(waiting)
    if (atPartition.size === 0 && this.#waiting.get(number) === atPartition) this.#waiting.delete(number)
  }

  async #pollWhileWaiting(): Promise<void> {
    if (this.#polling) return
    this.#polling = true
    while (this.#waiting.size > 0) {
      // What keeps the poll from an answer, keeps the reader from one too; the reader says so.
      const ends = await this.#poll().catch(() => undefined)
      for (const [number, end] of ends?.entries() ?? []) this.reached(number, end)
      await new Promise(resolve => setTimeout(resolve, POLL_MS))
    }
    this.#polling = false
  }
}
