const LINES_KEPT = 80

/** What happened, as a hash over all of it and the last lines; two runs of one seed must agree in both. */
export class Trace {
  readonly #nowMs: () => number
  readonly #startMs: number
  readonly #last: string[] = []
  /** Printed as they come. */
  readonly #print: ((line: string) => void) | undefined
  #hash = 0x811c9dc5
  #lines = 0

  constructor(nowMs: () => number, print?: (line: string) => void) {
    this.#nowMs = nowMs
    this.#startMs = nowMs()
    this.#print = print
  }

  add(what: string): void {
    const line = `${(this.#nowMs() - this.#startMs).toFixed(1)} ${what}`
    let hash = this.#hash
    for (let at = 0; at < line.length; at++) hash = Math.imul(hash ^ line.charCodeAt(at), 0x01000193)
    this.#hash = hash
    this.#lines++
    this.#print?.(line)
    if (this.#last.push(line) > 2 * LINES_KEPT) this.#last.splice(0, LINES_KEPT)
  }

  get digest(): string {
    return `${this.#lines}:${(this.#hash >>> 0).toString(16)}`
  }

  get last(): readonly string[] {
    return this.#last.slice(-LINES_KEPT)
  }
}
