import { type Difference, type Differences, differenceKinds, type KindReport } from '../model/verify-status.ts'
import type { Scratch } from './scratch.ts'

/** Differences of a kind that are told whole; all of them stand in the scratch. */
const FIRST_MAX = 100

/** Every difference so far, counted, and the first of each kind. */
export class Report {
  #differences = none()

  async load(scratch: Scratch): Promise<void> {
    const tallies = await scratch.differences(differenceKinds, FIRST_MAX)
    this.#differences = Object.fromEntries(tallies.map(({ kind, ...told }) => [kind, told])) as Differences
  }

  add(differences: readonly Difference[]): void {
    for (const [kind, some] of Map.groupBy(differences, difference => difference.kind)) {
      const { count, repaired, first } = this.#differences[kind]
      const told: KindReport = {
        count: count + some.length,
        repaired: repaired + some.filter(difference => difference.repaired).length,
        first: [...first, ...some.slice(0, FIRST_MAX - first.length)],
      }
      this.#differences = { ...this.#differences, [kind]: told }
    }
  }

  get differences(): Differences {
    return this.#differences
  }

  /** What is still wrong. An unresolved key isn't: its store keeps what it should. */
  left(): number {
    return differenceKinds
      .filter(kind => kind !== 'unresolved')
      .reduce((sum, kind) => sum + this.#differences[kind].count - this.#differences[kind].repaired, 0)
  }
}

const none = (): Differences =>
  Object.fromEntries(differenceKinds.map(kind => [kind, { count: 0, repaired: 0, first: [] }])) as unknown as Differences
