/**
 * Time of a simulation. It stands still while code runs, and jumps to the next event when every microtask has run; so a minute takes no longer than what
 * happens in it.
 *
 * Each event belongs to a simulated process, or to the world. Those of a paused process wait until it wakes up, those of a dead one never happen. Timers
 * belong to the process whose code sets them.
 */

/** A process, as far as time goes. */
export interface Owner {
  readonly clock: Clock
  /** What `Math.random` gives in this process. */
  chance(): number
  readonly state: 'running' | 'paused' | 'dead'
  /** What happens to it while it is paused. */
  hold(event: Event): void
}

export interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  readonly owner: Owner | undefined
  cancelled: boolean
}

/** 2026-01-01. */
const START_MS = 1_767_225_600_000

const realSetImmediate = globalThis.setImmediate

/** Settles when no microtask is left: whoever waits for a promise that is settled has gone on. */
const drained = (): Promise<void> => new Promise(resolve => realSetImmediate(resolve))

/** How an event is run in the name of its process. */
export type RunAs = (owner: Owner | undefined, run: () => void) => void

export class Clock {
  readonly #runAs: RunAs
  readonly #heap: Event[] = []
  #nowMs = START_MS
  #orders = 0
  events = 0

  constructor(runAs: RunAs) {
    this.#runAs = runAs
  }

  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, owner: Owner | undefined, run: () => void): Event {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#orders++, run, owner, cancelled: false }
    this.#push(event)
    return event
  }

  /** Lets time pass; ends early where `enough` says so after an event. */
  async pass(ms: number, enough: () => boolean): Promise<void> {
    const untilMs = this.#nowMs + ms
    await drained()
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop()
      if (next.cancelled || next.owner?.state === 'dead') continue
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      if (next.owner?.state === 'paused') {
        next.owner.hold(next)
        continue
      }
      this.events++
      this.#runAs(next.owner, next.run)
      await drained()
      if (enough()) return
    }
    this.#nowMs = untilMs
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || !before(event, above)) break
      heap[at] = above
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const left = heap[child]
      if (left === undefined) break
      const right = heap[child + 1]
      let least = left
      if (right !== undefined && before(right, left)) {
        least = right
        child++
      }
      if (!before(least, last)) break
      heap[at] = least
      at = child
    }
    heap[at] = last
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
