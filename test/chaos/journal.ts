import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

/** What was done, and when: for whoever has to find out what led to something. */
export class Journal {
  readonly #file: string
  readonly #quiet: boolean
  readonly #startedMs = Date.now()

  constructor(folder: string, quiet: boolean) {
    this.#file = join(folder, 'journal.log')
    this.#quiet = quiet
  }

  say(what: string): void {
    const line = `${new Date().toISOString()} +${((Date.now() - this.#startedMs) / 1_000).toFixed(1)} ${what}\n`
    appendFileSync(this.#file, line)
    if (!this.#quiet) process.stderr.write(line)
  }
}
