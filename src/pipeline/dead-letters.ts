import type { DeadLetter, DeadLetterReader, DeadLetterWithBytes } from '../model/dead-letter.ts'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { Log, LogReader, LogWriter, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { formatPlace, type NewRecord, type Offset, type RecordCursor } from '../model/record.ts'
import type { ViewOp } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'
import { decodeLetter, decodeLetterWithBytes, decodeResolution, encodeLetter, letterName, letterOf, resolutionRecord } from './dead-letter-record.ts'
import type { FaultyRecord } from './fold.ts'

/** Letters kept in memory, about 500 bytes each. More are written all the same, but not listed, and their ids are not known as unresolved. */
const LETTERS_MAX = 100_000
const IDLE_WAIT_MS = 1_000
const APPEND_DEADLINE_MS = 10_000

/** A letter, and where it stands in its own topic. */
interface Known {
  readonly letter: DeadLetter
  readonly at: Offset
}

/**
 * A view's dead letters: a fold of their topic, kept up to date by reading it from the start, and the way new ones get there. The topic has one partition.
 * Every process that reads or folds the view has one of these.
 */
export class DeadLetters implements DeadLetterReader {
  readonly #log: Log
  readonly #topic: Topic
  readonly #writer: LogWriter
  readonly #logger: Logger
  readonly #letters = new Map<string, Known>()
  readonly #unresolved = new Map<string, Set<string>>()
  readonly #readers = new Set<LogReader>()
  readonly #closing = new AbortController()
  readonly #caughtUp = Promise.withResolvers<void>()
  readonly #reading: Promise<void>
  #sorted: readonly DeadLetter[] | undefined
  /** There are more letters than are kept. */
  #full = false

  constructor(log: Log, topic: Topic, logger: Logger) {
    this.#log = log
    this.#topic = topic
    this.#logger = logger
    this.#writer = log.writer(topic)
    this.#caughtUp.promise.catch(() => undefined)
    this.#reading = this.#read()
  }

  /** Settles when everything that was in the topic at the start has been read. @throws what keeps it from being read. */
  caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  unresolved(id: string): boolean {
    return this.#unresolved.has(id)
  }

  list(options: { readonly after?: string; readonly limit: number }): {
    readonly letters: readonly DeadLetter[]
    readonly total: number
    readonly complete: boolean
  } {
    this.#sorted ??= [...this.#letters.values()].map(known => known.letter).toSorted(byPlace)
    const sorted = this.#sorted
    const after = options.after
    const start = after === undefined ? 0 : sorted.findIndex(letter => letter.letter === after) + 1
    if (after !== undefined && start === 0) throw new LogfoldError('no-such-dead-letter', `There is no dead letter ${after} to go on after`)
    return { letters: sorted.slice(start, start + options.limit), total: sorted.length, complete: !this.#full }
  }

  async show(letter: string): Promise<DeadLetterWithBytes> {
    const known = this.#letters.get(letter)
    const found = known === undefined ? undefined : await this.#fetch(known.at)
    if (known === undefined || found === undefined) throw new LogfoldError('no-such-dead-letter', `There is no dead letter ${letter}`)
    return { ...found, ...known.letter }
  }

  /** Writes a letter for each record that has none yet; settles once the log has them. Waits and retries while the log is away. */
  async add(generation: number, partition: number, faulty: readonly FaultyRecord[], signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const fresh = faulty.filter(record => !this.#letters.has(letterName(generation, partition, record.offset)))
    const letters = fresh.map(record => letterOf(generation, partition, record))
    await this.#write(letters.map(letterRecord), signal)
    const added = letters.map(({ key: _key, value: _value, ...letter }) => letter)
    const first = added[0]
    if (first !== undefined) this.#logger.warn('Records cannot be folded; they are kept as dead letters', { count: added.length, first })
    return added
  }

  /** Notes which letters are resolved by these ops of a partition: those of the same id at a lower offset. Waits and retries as `add`. */
  async resolve(generation: number, partition: number, ops: readonly ViewOp[], signal: AbortSignal): Promise<void> {
    if (this.#unresolved.size === 0) return
    const records: NewRecord[] = []
    for (const op of ops) {
      for (const name of this.#unresolved.get(op.id) ?? []) {
        const letter = this.#letters.get(name)?.letter
        const resolves = letter?.generation === generation && letter.partition === partition && letter.offset < op.offset
        if (resolves) records.push(resolutionRecord(name, formatPlace(partition, op.offset)))
      }
    }
    await this.#write(records, signal)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const reader of this.#readers) reader.close()
    await this.#reading
  }

  async #write(records: readonly NewRecord[], signal: AbortSignal): Promise<void> {
    const backoff = new Backoff()
    for (let rest = records; rest.length > 0; ) {
      signal.throwIfAborted()
      const outcomes = await this.#writer.append(rest, APPEND_DEADLINE_MS)
      const failed: NewRecord[] = []
      for (const [index, record] of rest.entries()) {
        const outcome = outcomes[index]
        if (outcome?.kind === 'appended') this.#learn(record.key, record.value, outcome.offset)
        else if (outcome?.kind === 'refused') throw refusal(record, outcome.cause)
        else failed.push(record)
      }
      rest = failed
      if (rest.length === 0) return
      this.#logger.warn('The log does not take dead letters; trying again', { topic: this.#topic.name, waiting: rest.length })
      await backoff.wait(signal)
    }
  }

  async #read(): Promise<void> {
    const reader = this.#open(0)
    try {
      const end = await this.#endOffset()
      for (let position = 0; ; ) {
        if (position >= end) this.#caughtUp.resolve()
        const stretch = await reader.next(IDLE_WAIT_MS)
        const cursor = stretch.records()
        while (cursor.next()) this.#fold(cursor)
        position = stretch.next
      }
    } catch (error) {
      this.#caughtUp.reject(error)
      if (!isLogfoldError(error, 'closed')) {
        this.#logger.error('The dead letters can no longer be read', { topic: this.#topic.name, cause: messageOf(error) })
      }
    }
  }

  async #endOffset(): Promise<Offset> {
    const backoff = new Backoff()
    for (;;) {
      try {
        return (await this.#log.endOffsets(this.#topic))[0] ?? 0
      } catch (error) {
        if (!isLogfoldError(error, 'log-unavailable') || this.#closing.signal.aborted) throw error
        this.#logger.warn('The log does not tell of dead letters; trying again', { topic: this.#topic.name, cause: error.message })
        await backoff.wait(this.#closing.signal)
      }
    }
  }

  #fold(cursor: RecordCursor): void {
    const part = (start: number, end: number): Uint8Array | null => (end < 0 ? null : cursor.buffer.subarray(start, end))
    this.#learn(part(cursor.keyStart, cursor.keyEnd), part(cursor.valueStart, cursor.valueEnd), cursor.offset)
  }

  /** What a writer learns from the log's answer, its reader brings again; either may come first, and the second changes nothing. */
  #learn(key: Uint8Array | null, value: Uint8Array | null, at: Offset): void {
    const name = Buffer.from(key ?? []).toString('utf8')
    const resolution = value === null ? undefined : decodeResolution(name, value)
    if (resolution !== undefined) this.#learnResolved(resolution.letter, resolution.resolvedBy)
    else if (value === null) this.#forget(name)
    else this.#learnLetter(decodeLetter(value), at)
  }

  #learnLetter(letter: DeadLetter | undefined, at: Offset): void {
    if (letter === undefined || this.#letters.has(letter.letter)) return
    if (this.#letters.size >= LETTERS_MAX) {
      this.#full = true
      return
    }
    this.#sorted = undefined
    this.#letters.set(letter.letter, { letter, at })
    if (letter.id === undefined) return
    const names = this.#unresolved.get(letter.id)
    if (names === undefined) this.#unresolved.set(letter.id, new Set([letter.letter]))
    else names.add(letter.letter)
  }

  #learnResolved(name: string, resolvedBy: string): void {
    const known = this.#letters.get(name)
    if (known === undefined) return
    this.#sorted = undefined
    this.#letters.set(name, { letter: { ...known.letter, resolvedBy }, at: known.at })
    if (known.letter.id !== undefined) this.#settle(known.letter.id, name)
  }

  #forget(name: string): void {
    const known = this.#letters.get(name)
    if (known === undefined) return
    this.#sorted = undefined
    this.#letters.delete(name)
    if (known.letter.id !== undefined) this.#settle(known.letter.id, name)
  }

  #settle(id: string, name: string): void {
    const names = this.#unresolved.get(id)
    names?.delete(name)
    if (names?.size === 0) this.#unresolved.delete(id)
  }

  async #fetch(at: Offset): Promise<DeadLetterWithBytes | undefined> {
    const reader = this.#open(at)
    try {
      const cursor = (await reader.next(0)).records()
      if (!cursor.next() || cursor.offset !== at || cursor.valueEnd < 0) return undefined
      return decodeLetterWithBytes(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd))
    } finally {
      this.#readers.delete(reader)
      reader.close()
    }
  }

  #open(position: Offset): LogReader {
    const reader = this.#log.reader(this.#topic, 0, position)
    this.#readers.add(reader)
    return reader
  }
}

const letterRecord = (letter: DeadLetterWithBytes): NewRecord => ({ partition: 0, key: Buffer.from(letter.letter), value: encodeLetter(letter) })

const byPlace = (a: DeadLetter, b: DeadLetter): number => a.generation - b.generation || a.partition - b.partition || a.offset - b.offset

const refusal = (record: NewRecord, cause: unknown): LogfoldError =>
  new LogfoldError('store-refused', `The log refuses the dead letter ${Buffer.from(record.key ?? []).toString()}: ${messageOf(cause)}`, {
    remedy: 'Let the topic of the dead letters take larger records than the topic of the view (max.message.bytes)',
    cause,
  })
