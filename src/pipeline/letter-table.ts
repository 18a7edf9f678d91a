import { type DeadLetter, formatLetter, isOwn, type LetterCounts, type LetterOwner, parseLetter } from '../model/dead-letter.ts'
import { LogfoldError } from '../model/errors.ts'
import { formatPlace, type NewRecord, type Offset } from '../model/record.ts'
import type { ViewOp } from '../model/view-backend.ts'
import { decodeLetter, decodeResolution, resolutionRecord } from './dead-letter-record.ts'

/**
 * Own letters that are kept in memory, and others, about 500 bytes each. More are written all the same, but not listed,
 * and their ids are not known as unresolved.
 */
const LETTERS_MAX = 100_000

/** A letter, and where it stands in its own topic, under which key. */
export interface Known {
  readonly letter: DeadLetter
  readonly key: string
  readonly at: Offset
}

/**
 * The fold of the topic of dead letters, as one generation of the view sees it. Letters of other generations, and of topics that it isn't
 * folded from, are known, but none of their ids is unresolved by them. A record may be learned more than once, and before or after its
 * neighbours: what is known in the end is the same.
 */
export class LetterTable {
  readonly #owner: LetterOwner
  /** By name. The others take no room from those that are own. */
  readonly #letters = { own: new Map<string, Known>(), others: new Map<string, Known>() }
  /** Id → names of its own letters that aren't resolved. */
  readonly #unresolved = new Map<string, Set<string>>()
  /**
   * Of letters that aren't known yet: one that was written twice (by two workers, or when an answer was lost) may stand behind its resolution, and
   * compaction keeps only the later.
   */
  readonly #resolvedAhead = new Map<string, string>()
  #sorted: readonly DeadLetter[] | undefined
  /** There are more letters than are kept. */
  #full = false

  /** @param owner whose letters are own ones */
  constructor(owner: LetterOwner) {
    this.#owner = owner
  }

  learn(bytes: Uint8Array | null, value: Uint8Array | null, at: Offset): void {
    const key = Buffer.from(bytes ?? []).toString('utf8')
    const resolution = value === null ? undefined : decodeResolution(key, value)
    if (resolution !== undefined) this.#learnResolved(this.#nameOf(resolution.letterKey), resolution.resolvedBy)
    else if (value === null) this.#forget(key)
    else this.#learnLetter(decodeLetter(value, this.#owner), key, at)
  }

  has(name: string): boolean {
    return this.#of(name).has(name)
  }

  /** @param letter a name, or one without a topic id, which is then the owner's. @throws no-such-dead-letter */
  get(letter: string): Known {
    const name = this.#nameOf(letter)
    const known = this.#of(name).get(name)
    if (known === undefined) throw noSuchLetter(letter)
    return known
  }

  unresolved(id: string): boolean {
    return this.#unresolved.has(id)
  }

  counts(): LetterCounts {
    let unresolved = 0
    for (const { letter } of this.#letters.own.values()) if (letter.resolvedBy === undefined) unresolved++
    return { own: this.#letters.own.size, unresolved }
  }

  /** Sorted by place; own ones first, those of other topics last. */
  list({ after, limit }: { readonly after?: string | undefined; readonly limit: number }): {
    readonly letters: readonly DeadLetter[]
    readonly total: number
    readonly complete: boolean
  } {
    const { own, others } = this.#letters
    this.#sorted ??= [...own.values(), ...others.values()].map(known => known.letter).toSorted(byPlace)
    const sorted = this.#sorted
    const last = after === undefined ? undefined : this.#placeOf(after)
    const start = last === undefined ? 0 : sorted.findIndex(letter => byPlace(letter, last) > 0)
    return { letters: start < 0 ? [] : sorted.slice(start, start + limit), total: sorted.length, complete: !this.#full }
  }

  /**
   * The records that say which own letters these ops of a partition resolve: those of the same id up to its offset. A
   * letter's own record resolves it that folds now.
   */
  resolutions(partition: number, ops: readonly ViewOp[]): readonly NewRecord[] {
    if (this.#unresolved.size === 0) return []
    const records: NewRecord[] = []
    for (const { id, offset } of ops) {
      for (const name of this.#unresolved.get(id) ?? []) {
        const { letter, key } = this.get(name)
        const resolves = letter.partition === partition && letter.offset <= offset
        if (resolves) records.push(resolutionRecord(key, formatPlace(partition, offset)))
      }
    }
    return records
  }

  #nameOf(letter: string): string {
    const named = parseLetter(letter, this.#owner.topicId)
    return named === undefined ? letter : formatLetter(named)
  }

  #of(name: string): Map<string, Known> {
    const { generation, topicId } = this.#owner
    return name.startsWith(`${generation}:`) && name.endsWith(`:${topicId}`) ? this.#letters.own : this.#letters.others
  }

  /** Of a letter by its name, whether it is still there or was dropped meanwhile. @throws no-such-dead-letter */
  #placeOf(letter: string): Place {
    const { generation, topicId } = this.#owner
    const named = parseLetter(letter, topicId)
    if (named === undefined) throw noSuchLetter(`${letter} to go on after`)
    return { ...named, otherTopic: named.topicId !== topicId, otherGeneration: named.generation !== generation }
  }

  #learnLetter(letter: DeadLetter | undefined, key: string, at: Offset): void {
    if (letter === undefined || this.has(letter.letter)) return
    const letters = this.#of(letter.letter)
    if (letters.size >= LETTERS_MAX) {
      this.#full = true
      return
    }
    this.#sorted = undefined
    const resolvedBy = this.#resolvedAhead.get(letter.letter)
    this.#resolvedAhead.delete(letter.letter)
    letters.set(letter.letter, { letter: { ...letter, resolvedBy }, key, at })
    if (!isOwn(letter) || letter.id === undefined || resolvedBy !== undefined) return
    const names = this.#unresolved.get(letter.id)
    if (names === undefined) this.#unresolved.set(letter.id, new Set([letter.letter]))
    else names.add(letter.letter)
  }

  #learnResolved(name: string, resolvedBy: string): void {
    const known = this.#of(name).get(name)
    if (known === undefined) {
      if (this.#resolvedAhead.size < LETTERS_MAX) this.#resolvedAhead.set(name, resolvedBy)
      return
    }
    this.#sorted = undefined
    this.#of(name).set(name, { ...known, letter: { ...known.letter, resolvedBy } })
    this.#settle(known.letter.id, name)
  }

  #forget(key: string): void {
    const name = this.#nameOf(key)
    this.#resolvedAhead.delete(name)
    const known = this.#of(name).get(name)
    if (known?.key !== key) return
    this.#sorted = undefined
    this.#of(name).delete(name)
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

type Place = Pick<DeadLetter, 'otherTopic' | 'otherGeneration' | 'topicId' | 'generation' | 'partition' | 'offset'>

const byPlace = (a: Place, b: Place): number =>
  Number(a.otherTopic) - Number(b.otherTopic) ||
  Number(!isOwn(a)) - Number(!isOwn(b)) ||
  Number(a.topicId > b.topicId) - Number(a.topicId < b.topicId) ||
  a.generation - b.generation ||
  a.partition - b.partition ||
  a.offset - b.offset
