const SAMPLE_MS = 1_000
const SAMPLES_MAX = 20

interface Sample {
  readonly atMs: number
  readonly amount: number
}

/** How fast something grows, over the last seconds. */
export class Growth {
  readonly #nowMs: () => number
  #samples: Sample[] = []

  /** @param nowMs a clock that never goes back */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** From here on only what comes counts. */
  begin(amount: number): void {
    this.#samples = [{ atMs: this.#nowMs(), amount }]
  }

  at(amount: number): void {
    const atMs = this.#nowMs()
    const last = this.#samples.at(-1)
    if (last !== undefined && amount < last.amount) {
      this.begin(amount)
      return
    }
    if (last !== undefined && atMs - last.atMs < SAMPLE_MS) return
    this.#samples.push({ atMs, amount })
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
  }

  /**
   * @param amount what there is now, where that is known; else it is as of the last sample, so that the time since doesn't count as standing still
   */
  perSecond(amount?: number): number {
    const [first] = this.#samples
    const last = amount === undefined ? this.#samples.at(-1) : { atMs: this.#nowMs(), amount }
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0
    return (1_000 * (last.amount - first.amount)) / (last.atMs - first.atMs)
  }
}
