import type { Io } from '../io.ts'
import { durationText, ProgressLine } from '../progress-line.ts'
import { grouped } from '../table.ts'

/** Tells how a load goes on. */
export class Progress {
  readonly #line: ProgressLine
  readonly #bytesTotal: number | undefined
  readonly #fromLine: number
  readonly #startedMs = performance.now()

  constructor(io: Io, options: { readonly bytesTotal: number | undefined; readonly fromLine: number }) {
    this.#line = new ProgressLine(io)
    this.#bytesTotal = options.bytesTotal
    this.#fromLine = options.fromLine
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startedMs) / 1000
  }

  /** May be called as often as one likes. */
  update(line: number, bytes: number): Promise<void> {
    const seconds = this.elapsedSeconds
    return this.#line.update(() => progressText({ lines: line - this.#fromLine + 1, bytes, bytesTotal: this.#bytesTotal, seconds }))
  }

  /** A line that stays. */
  say(line: string): Promise<void> {
    return this.#line.say(line)
  }

  /** Clears the line that changes. */
  end(): Promise<void> {
    return this.#line.end()
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
