import { Growth } from '../model/growth.ts'
import type { Progress } from '../model/verify-status.ts'
import type { Clock } from '../pipeline/pace.ts'

/** How far a phase is, and how fast it goes. */
export class Meter {
  readonly #growth: Growth
  #done = 0
  #total = 0

  constructor(clock: Clock) {
    this.#growth = new Growth(() => clock.nowMs())
  }

  /** A phase begins, or goes on at `done`. */
  begin(done: number, total: number): void {
    this.#done = done
    this.#total = total
    this.#growth.begin(done)
  }

  add(count: number): void {
    this.#done += count
    // There may turn out to be more than was thought.
    this.#total = Math.max(this.#total, this.#done)
    this.#growth.at(this.#done)
  }

  progress(): Progress {
    const perSecond = this.#growth.perSecond(this.#done)
    return {
      done: this.#done,
      total: this.#total,
      perSecond: Math.round(perSecond),
      etaSeconds: perSecond > 0 ? Math.ceil((this.#total - this.#done) / perSecond) : null,
    }
  }
}
