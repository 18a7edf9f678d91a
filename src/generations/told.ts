import type { Offset } from '../model/record.ts'

/**
 * The highest positions that anybody was told are vouched for, one a partition: of the topic of what serves, as
 * those of another one say nothing about it.
 */
export class Told {
  #topicId: string | undefined
  #positions: readonly Offset[] = []

  /** From now on a generation of this topic serves. */
  follow(topicId: string): void {
    if (this.#topicId !== topicId) this.#positions = []
    this.#topicId = topicId
  }

  /** The log was cut: what it lost nobody vouches for again. */
  forget(): void {
    this.#positions = []
  }

  /** @param topicId of the generation that says so: a request under way may be answered from one that serves no more */
  tell(topicId: string, vouched: readonly Offset[]): void {
    if (topicId === this.#topicId) this.#positions = vouched.map((position, partition) => Math.max(position, this.#positions[partition] ?? 0))
  }

  /** Whether nobody would be answered from less than he was told. */
  isKeptBy(topicId: string, vouched: readonly Offset[]): boolean {
    return topicId !== this.#topicId || this.#positions.every((position, partition) => (vouched[partition] ?? 0) >= position)
  }
}
