import type { Clock } from '../../src/pipeline/pace.ts'

/** Time passes only where it is told to. */
export class HeldClock implements Clock {
  #nowMs = 0
  readonly #waits = new Set<{ readonly atMs: number; readonly end: () => void }>()

  nowMs(): number {
    return this.#nowMs
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const end = (): void => resolve()
    const wait = { atMs: this.#nowMs + ms, end }
    this.#waits.add(wait)
    signal.addEventListener('abort', end)
    await promise
    this.#waits.delete(wait)
  }

  /** For how long each that waits has yet to wait, the shortest first. */
  get waitsMs(): readonly number[] {
    return [...this.#waits].map(({ atMs }) => atMs - this.#nowMs).toSorted((a, b) => a - b)
  }

  advance(ms: number): void {
    this.#nowMs += ms
    for (const { atMs, end } of this.#waits) if (atMs <= this.#nowMs) end()
  }
}
