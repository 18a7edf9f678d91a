/** A seeded source of chance (mulberry32): everything that is left to chance in a simulation comes from one of these, so a seed tells all. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0
  }

  /** From 0 to 1, without 1. */
  float(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number {
    return least + Math.floor(this.float() * (most - least + 1))
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.int(0, from.length - 1)]
    if (picked === undefined) throw new Error('There is nothing to pick from')
    return picked
  }

  /** Another source, which doesn't move this one any further. */
  fork(): Random {
    return new Random(Math.floor(this.float() * 4_294_967_296))
  }
}
