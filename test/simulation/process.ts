import type { Clock, Event, Owner } from './clock.ts'
import { runAs } from './fake-time.ts'
import type { Random } from './random.ts'

/**
 * One simulated process. It meets the world only through requests (`Network`) and timers, so a crash between two of its events is a crash at an await: what it
 * has asked for may still be done, but it never learns of it. A paused one goes on later with all that has come for it meanwhile.
 */
export class SimProcess implements Owner {
  readonly name: string
  readonly clock: Clock
  readonly random: Random
  readonly #held: Event[] = []
  #state: Owner['state'] = 'running'

  constructor(name: string, clock: Clock, random: Random) {
    this.name = name
    this.clock = clock
    this.random = random
  }

  get state(): Owner['state'] {
    return this.#state
  }

  chance(): number {
    return this.random.float()
  }

  hold(event: Event): void {
    this.#held.push(event)
  }

  run<T>(work: () => T): T {
    return runAs(this, work)
  }

  crash(): void {
    this.#state = 'dead'
    this.#held.length = 0
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused'
  }

  /** What has come meanwhile happens now, nearly in order: timers and answers are seen by different parts of a process. */
  wake(): void {
    if (this.#state !== 'paused') return
    this.#state = 'running'
    for (const event of this.#held.splice(0)) {
      if (!event.cancelled) this.clock.after(this.random.float() * 3, this, () => void (event.cancelled || event.run()))
    }
  }
}
