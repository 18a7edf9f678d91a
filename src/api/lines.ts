/** A line without its end; undefined for one that was longer than the limit, whose bytes are gone. */
export type Line = Buffer | undefined

const LINE_FEED = 0x0a

/** Cuts a stream of chunks into lines, and holds no more than one line of `bytesMax`. */
export class LineSplitter {
  readonly #bytesMax: number
  readonly #parts: Buffer[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The lines that end in this chunk. */
  *push(chunk: Buffer): Generator<Line> {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end))
      yield this.#take()
      start = end + 1
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  /** The last line, where nothing ended it. */
  *end(): Generator<Line> {
    if (this.#bytes > 0) yield this.#take()
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length
    if (this.#bytes <= this.#bytesMax) this.#parts.push(part)
    else this.#parts.length = 0
  }

  #take(): Line {
    const [first] = this.#parts
    const line = this.#parts.length === 1 ? first : Buffer.concat(this.#parts)
    const fits = this.#bytes <= this.#bytesMax
    this.#parts.length = 0
    this.#bytes = 0
    return fits ? line : undefined
  }
}
