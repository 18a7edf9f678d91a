import type { DeadLetter } from '../model/dead-letter.ts'
import { LogfoldError } from '../model/errors.ts'
import { formatPlace, type NewRecord, type Offset } from '../model/record.ts'
import type { ViewOp } from '../model/view-backend.ts'
import { decodeLetter, decodeResolution, resolutionRecord } from './dead-letter-record.ts'

/** Letters kept in memory, about 500 bytes each. More are written all the same, but not listed, and their ids are not known as unresolved. */
const LETTERS_MAX = 100_000

/** A letter, and where it stands in its own topic. */
export interface Known {
  readonly letter: DeadLetter
  readonly at: Offset
}

/** The fold of the topic of dead letters. A record may be learned more than once, and before or after its neighbours: what is known in the end is the same. */
export class LetterTable {
  readonly #letters = new Map<string, Known>()
  /** Id → names of its letters that aren't resolved. */
  readonly #unresolved = new Map<string, Set<string>>()
  /**
   * Of letters that aren't known yet: one that was written twice (by two workers, or when an answer was lost) may stand behind its resolution, and
   * compaction keeps only the later.
   */
  readonly #resolvedAhead = new Map<string, string>()
  #sorted: readonly DeadLetter[] | undefined
  /** There are more letters than are kept. */
  #full = false

  learn(key: Uint8Array | null, value: Uint8Array | null, at: Offset): void {
    const name = Buffer.from(key ?? []).toString('utf8')
    const resolution = value === null ? undefined : decodeResolution(name, value)
    if (resolution !== undefined) this.#learnResolved(resolution.letter, resolution.resolvedBy)
    else if (value === null) this.#forget(name)
    else this.#learnLetter(decodeLetter(value), at)
  }

  has(letter: string): boolean {
    return this.#letters.has(letter)
  }

  /** @throws no-such-dead-letter */
  get(letter: string): Known {
    const known = this.#letters.get(letter)
    if (known === undefined) throw noSuchLetter(letter)
    return known
  }

  unresolved(id: string): boolean {
    return this.#unresolved.has(id)
  }

  /** Sorted by place. */
  list({ after, limit }: { readonly after?: string | undefined; readonly limit: number }): {
    readonly letters: readonly DeadLetter[]
    readonly total: number
    readonly complete: boolean
  } {
    this.#sorted ??= [...this.#letters.values()].map(({ letter }) => letter).toSorted(byPlace)
    const sorted = this.#sorted
    const start = after === undefined ? 0 : sorted.findIndex(letter => byPlace(letter, placeOf(after)) > 0)
    return { letters: start < 0 ? [] : sorted.slice(start, start + limit), total: sorted.length, complete: !this.#full }
  }

  /** The records that say which letters these ops of a partition resolve: those of the same id up to its offset. Its own is a letter's that folds now. */
  resolutions(generation: number, partition: number, ops: readonly ViewOp[]): readonly NewRecord[] {
    if (this.#unresolved.size === 0) return []
    const records: NewRecord[] = []
    for (const { id, offset } of ops) {
      for (const name of this.#unresolved.get(id) ?? []) {
        const letter = this.#letters.get(name)?.letter
        const resolves = letter?.generation === generation && letter.partition === partition && letter.offset <= offset
        if (resolves) records.push(resolutionRecord(name, formatPlace(partition, offset)))
      }
    }
    return records
  }

  #learnLetter(letter: DeadLetter | undefined, at: Offset): void {
    if (letter === undefined || this.#letters.has(letter.letter)) return
    if (this.#letters.size >= LETTERS_MAX) {
      this.#full = true
      return
    }
    this.#sorted = undefined
    const resolvedBy = this.#resolvedAhead.get(letter.letter)
    this.#resolvedAhead.delete(letter.letter)
    this.#letters.set(letter.letter, { letter: { ...letter, resolvedBy }, at })
    if (letter.id === undefined || resolvedBy !== undefined) return
    const names = this.#unresolved.get(letter.id)
    if (names === undefined) this.#unresolved.set(letter.id, new Set([letter.letter]))
    else names.add(letter.letter)
  }

  #learnResolved(name: string, resolvedBy: string): void {
    const known = this.#letters.get(name)
    if (known === undefined) {
      if (this.#resolvedAhead.size < LETTERS_MAX) this.#resolvedAhead.set(name, resolvedBy)
      return
    }
    this.#sorted = undefined
    this.#letters.set(name, { letter: { ...known.letter, resolvedBy }, at: known.at })
    this.#settle(known.letter.id, name)
  }

  #forget(name: string): void {
    this.#resolvedAhead.delete(name)
    const known = this.#letters.get(name)
    if (known === undefined) return
    this.#sorted = undefined
    this.#letters.delete(name)
    this.#settle(known.letter.id, name)
  }

  #settle(id: string | undefined, name: string): void {
    if (id === undefined) return
    const names = this.#unresolved.get(id)
    names?.delete(name)
    if (names?.size === 0) this.#unresolved.delete(id)
  }
}

export const noSuchLetter = (letter: string): LogfoldError => new LogfoldError('no-such-dead-letter', `There is no dead letter ${letter}`)

type Place = Pick<DeadLetter, 'generation' | 'partition' | 'offset'>

/** Of a letter by its name, whether it is still there or was dropped meanwhile. @throws no-such-dead-letter */
function placeOf(name: string): Place {
  const [, generation, partition, offset] = /^(\d+):(\d+):(\d+)$/.exec(name) ?? []
  if (offset === undefined) throw noSuchLetter(`${name} to go on after`)
  return { generation: Number(generation), partition: Number(partition), offset: Number(offset) }
}

const byPlace = (a: Place, b: Place): number => a.generation - b.generation || a.partition - b.partition || a.offset - b.offset
