import { type Io, write } from './io.ts'

const TERMINAL_EVERY_MS = 200
const LINES_EVERY_MS = 5_000
/** Back to the begin of the line, and clear it. */
const AGAIN = '\r\u001b[K'

/** What goes on, on stderr: on a terminal in one line that changes, else in a line every few seconds. */
export class ProgressLine {
  readonly #io: Io
  readonly #terminal: boolean
  #shownMs: number
  #isShown = false

  constructor(io: Io) {
    this.#io = io
    this.#terminal = io.stderr.isTTY === true
    this.#shownMs = this.#terminal ? 0 : performance.now()
  }

  /** May be called as often as one likes. */
  async update(text: () => string): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < (this.#terminal ? TERMINAL_EVERY_MS : LINES_EVERY_MS)) return
    this.#shownMs = nowMs
    this.#isShown = this.#terminal
    await write(this.#io.stderr, this.#terminal ? `${AGAIN}${text()}` : `${text()}\n`)
  }

  /** A line that stays. */
  async say(line: string): Promise<void> {
    const again = this.#isShown ? AGAIN : ''
    this.#isShown = false
    await write(this.#io.stderr, `${again}${line}\n`)
  }

  /** Clears the line that changes. */
  async end(): Promise<void> {
    if (this.#isShown) await write(this.#io.stderr, AGAIN)
    this.#isShown = false
  }
}

export function durationText(seconds: number): string {
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
