import type { Offset } from '../model/record.ts'

/** A record that is waited for: reached once its partition is vouched for beyond the offset. */
export interface Target {
  readonly partition: number
  readonly offset: Offset
}

/** `fast`: a client waits. `slow`: nobody does, but it is good to know. */
export type Pace = 'fast' | 'slow'

interface Waiter {
  readonly targets: readonly Target[]
  readonly pace: Pace
  readonly timer: NodeJS.Timeout
  readonly resolve: (reached: boolean) => void
  readonly reject: (error: unknown) => void
}

const DELAY_MIN_MS = 2
const DELAY_MAX_MS: Readonly<Record<Pace, number>> = { fast: 50, slow: 1000 }
const WAITERS_MAX = 10_000

/** Whether these vouched positions, one a partition, lie beyond all targets. */
export const reaches = (vouched: readonly Offset[], targets: readonly Target[]): boolean =>
  targets.every(({ partition, offset }) => (vouched[partition] ?? 0) > offset)

/**
 * Asks one shard for its vouched positions while anybody waits for them: one question at a time, however many wait, at growing intervals, and at once
 * when a hint says that the shard has moved.
 */
export class ShardWatch {
  readonly #ask: () => Promise<readonly Offset[]>
  readonly #waiters = new Set<Waiter>()
  #running = false
  #hinted = false
  #delayMs = DELAY_MIN_MS
  #pause: { readonly end: () => void; readonly timer: NodeJS.Timeout; readonly delayMs: number } | undefined

  constructor(ask: () => Promise<readonly Offset[]>) {
    this.#ask = ask
  }

  /**
   * Whether the shard reaches all targets within `waitMs`; false at once when too many wait already.
   * @throws what asking the shard throws
   */
  wait(targets: readonly Target[], waitMs: number, pace: Pace): Promise<boolean> {
    if (this.#waiters.size >= WAITERS_MAX) return Promise.resolve(false)
    const { promise, resolve, reject } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => this.#settle(waiter, false), waitMs)
    const waiter: Waiter = { targets, pace, timer, resolve, reject }
    this.#waiters.add(waiter)
    if (pace === 'fast') this.#hurry()
    if (!this.#running) void this.#run()
    return promise
  }

  /** The shard has moved. */
  hint(): void {
    this.#hinted = true
    this.#pause?.end()
  }

  /** Ends every wait; nothing was reached. */
  close(): void {
    for (const waiter of this.#waiters) this.#settle(waiter, false)
    this.#pause?.end()
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiters.size > 0) {
      this.#hinted = false
      try {
        const vouched = await this.#ask()
        for (const waiter of this.#waiters) if (reaches(vouched, waiter.targets)) this.#settle(waiter, true)
      } catch (error) {
        for (const waiter of this.#waiters) this.#settle(waiter, error)
      }
      if (this.#waiters.size > 0) await this.#rest()
    }
    this.#running = false
    this.#delayMs = DELAY_MIN_MS
  }

  #settle(waiter: Waiter, outcome: unknown): void {
    if (!this.#waiters.delete(waiter)) return
    clearTimeout(waiter.timer)
    if (typeof outcome === 'boolean') waiter.resolve(outcome)
    else waiter.reject(outcome)
  }

  async #rest(): Promise<void> {
    if (this.#hinted) {
      this.#delayMs = DELAY_MIN_MS
      return
    }
    const delayMs = this.#delayMs
    this.#delayMs = Math.min(delayMs * 2, DELAY_MAX_MS[this.#pace()])
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#pause = { end: resolve, timer: setTimeout(resolve, delayMs), delayMs }
    await promise
    clearTimeout(this.#pause.timer)
    this.#pause = undefined
  }

  /** Somebody new waits: the next question comes soon, but not at once, so that many who come don't make many questions. */
  #hurry(): void {
    this.#delayMs = DELAY_MIN_MS
    const pause = this.#pause
    if (pause === undefined || pause.delayMs === DELAY_MIN_MS) return
    clearTimeout(pause.timer)
    this.#pause = { end: pause.end, timer: setTimeout(pause.end, DELAY_MIN_MS), delayMs: DELAY_MIN_MS }
  }

  #pace(): Pace {
    for (const waiter of this.#waiters) if (waiter.pace === 'fast') return 'fast'
    return 'slow'
  }
}
