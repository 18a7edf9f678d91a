import { type Io, write } from '../io.ts'
import { grouped } from '../table.ts'

const TERMINAL_EVERY_MS = 200
const LINES_EVERY_MS = 5_000
/** Back to the begin of the line, and clear it. */
const AGAIN = '\r\u001b[K'

/** Tells how a load goes on: on a terminal in one line that changes, else in a line every few seconds. */
export class Progress {
  readonly #io: Io
  readonly #bytesTotal: number | undefined
  readonly #fromLine: number
  readonly #startedMs = performance.now()
  readonly #terminal: boolean
  #shownMs: number
  #isShown = false

  constructor(io: Io, options: { readonly bytesTotal: number | undefined; readonly fromLine: number }) {
    this.#io = io
    this.#bytesTotal = options.bytesTotal
    this.#fromLine = options.fromLine
    this.#terminal = io.stderr.isTTY === true
    this.#shownMs = this.#terminal ? 0 : performance.now()
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedMs) / 1000
  }

  /** May be called as often as one likes. */
  async update(line: number, bytes: number): Promise<void> {
    const nowMs = performance.now()
    if (nowMs - this.#shownMs < (this.#terminal ? TERMINAL_EVERY_MS : LINES_EVERY_MS)) return
    this.#shownMs = nowMs
    const text = progressText({ lines: line - this.#fromLine + 1, bytes, bytesTotal: this.#bytesTotal, seconds: this.elapsedSeconds })
    this.#isShown = this.#terminal
    await write(this.#io.stderr, this.#terminal ? `${AGAIN}${text}` : `${text}\n`)
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

interface Standing {
  readonly lines: number
  readonly bytes: number
  readonly bytesTotal: number | undefined
  readonly seconds: number
}

function progressText({ lines, bytes, bytesTotal, seconds }: Standing): string {
  const rate = `${grouped(Math.round(lines / Math.max(seconds, 0.001)))} lines/s`
  const parts = [`${grouped(lines)} lines`, bytesText(bytes), rate]
  if (bytesTotal !== undefined && bytesTotal > 0) {
    const share = Math.min(1, bytes / bytesTotal)
    parts.push(`${Math.floor(share * 100)} %`)
    if (share > 0 && share < 1) parts.push(`${durationText((seconds * (1 - share)) / share)} to go`)
  }
  return parts.join(', ')
}

const bytesText = (bytes: number): string =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`

export function durationText(seconds: number): string {
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
