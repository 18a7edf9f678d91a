import type { Offset } from '../../model/record.ts'

/** About what an entry of a Map costs beside the characters of its key. */
const ENTRY_BYTES = 64

/** The last offset of each key in a part of a partition: what compaction goes by. Bounded in memory. */
export class LatestOffsets {
  readonly #bytesMax: number
  readonly #offsets = new Map<string, Offset>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** False when there is no room for another key. The first always fits. */
  set(key: string, offset: Offset): boolean {
    if (!this.#offsets.has(key)) {
      const bytes = key.length + ENTRY_BYTES
      if (this.#offsets.size > 0 && this.#bytes + bytes > this.#bytesMax) return false
      this.#bytes += bytes
    }
    this.#offsets.set(key, offset)
    return true
  }

  get(key: string): Offset | undefined {
    return this.#offsets.get(key)
  }
}
