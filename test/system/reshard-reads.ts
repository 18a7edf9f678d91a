import { setTimeout as wait } from 'node:timers/promises'
import type { Member } from './reshard-member.ts'
import { entriesOf } from './running.ts'

const EVERY_MS = 20
/** Every so many reads of an entry all of them are listed. */
const LIST_EVERY = 25

/** What never changes once it was written: entries that are there, and ids whose entries were deleted. */
export interface Fixed {
  readonly entries: ReadonlyMap<string, string>
  readonly deleted: readonly string[]
}

/** Reads without a pause what never changes, and keeps what was answered wrong: anything but what it is, 503, or nothing. */
export class Reads {
  readonly #member: Member
  readonly #fixed: Fixed
  readonly #wrong: string[] = []
  readonly #reading: Promise<void>
  #ended = false
  #right = 0

  constructor(member: Member, fixed: Fixed) {
    this.#member = member
    this.#fixed = fixed
    this.#reading = this.#read()
  }

  /** Answers that were what they should be, 503 not among them. */
  get right(): number {
    return this.#right
  }

  /** Settles with what was answered wrong, by then or until the process was gone. */
  async end(): Promise<readonly string[]> {
    this.#ended = true
    await this.#reading
    return this.#wrong
  }

  async #read(): Promise<void> {
    const ids = [...this.#fixed.entries.keys(), ...this.#fixed.deleted]
    for (let at = 0; !this.#ended && this.#member.alive; at++) {
      if (at % LIST_EVERY === LIST_EVERY - 1) await this.#list()
      else await this.#get(ids[(at * 7) % ids.length] ?? '')
      await wait(EVERY_MS)
    }
  }

  async #get(id: string): Promise<void> {
    const value = this.#fixed.entries.get(id)
    // Of a process that is gone, or is stopped for longer than a client waits.
    const answer = await fetch(`${this.#member.url}/api/job/${id}`).catch(() => undefined)
    const text = await answer?.text().catch(() => undefined)
    if (answer === undefined || text === undefined || answer.status === 503) return
    if (value === undefined ? answer.status === 404 : answer.status === 200 && text === value) this.#right++
    else this.#wrong.push(`${id}: ${answer.status} ${text}`)
  }

  async #list(): Promise<void> {
    // One that is refused or cut off says so by failing.
    const listed = await entriesOf(this.#member.url, 'job').catch(() => undefined)
    if (listed === undefined) return
    const missing = [...this.#fixed.entries].filter(([id, value]) => listed.get(id) !== value).map(([id]) => id)
    const back = this.#fixed.deleted.filter(id => listed.has(id))
    if (missing.length + back.length === 0) this.#right++
    else this.#wrong.push(`list of ${listed.size}: without ${missing.slice(0, 5)}, with ${back.slice(0, 5)}`)
  }
}
