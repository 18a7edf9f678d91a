const SAMPLE_MS = 1_000
const SAMPLES_MAX = 20

/** How fast something grows, over the last seconds. */
export class Growth {
  #samples: { readonly atMs: number; readonly amount: number }[] = []

  at(amount: number): void {
    const atMs = performance.now()
    const last = this.#samples.at(-1)
    // It was begun anew.
    if (last !== undefined && amount < last.amount) this.#samples = []
    else if (last !== undefined && atMs - last.atMs < SAMPLE_MS) return
    this.#samples.push({ atMs, amount })
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
  }

  perSecond(): number {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0
    return (1_000 * (last.amount - first.amount)) / (last.atMs - first.atMs)
  }
}
