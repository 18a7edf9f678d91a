import type { DeadLetter, DeadLetterReader, DeadLetterWithBytes } from '../model/dead-letter.ts'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { Log, LogReader, LogWriter, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { NewRecord, Offset, RecordCursor } from '../model/record.ts'
import type { ViewOp } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'
import { decodeLetter, decodeLetterWithBytes, encodeLetter, letterName, letterOf, resolved } from './dead-letter-record.ts'
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
  readonly #reader: LogReader
  readonly #caughtUp = Promise.withResolvers<void>()
  readonly #reading: Promise<void>
  #sorted: readonly DeadLetter[] | undefined
  #left = 0

  constructor(log: Log, topic: Topic, logger: Logger) {
    this.#log = log
    this.#topic = topic
    this.#logger = logger
    this.#writer = log.writer(topic)
    this.#reader = log.reader(topic, 0, 0)
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
  } {
    this.#sorted ??= [...this.#letters.values()].map(known => known.letter).toSorted(byPlace)
    const sorted = this.#sorted
    const after = options.after
    const start = after === undefined ? 0 : sorted.findIndex(letter => letter.letter === after) + 1
    if (after !== undefined && start === 0) throw new LogfoldError('no-such-dead-letter', `There is no dead letter ${after} to go on after`)
    return { letters: sorted.slice(start, start + options.limit), total: sorted.length + this.#left }
  }

  async show(letter: string): Promise<DeadLetterWithBytes> {
    for (let known = this.#letters.get(letter); known !== undefined; ) {
      const found = await this.#fetch(known.at)
      if (found !== undefined) return found
      // Written again meanwhile (resolved), and compacted: the reader will hear of it.
      const again = this.#letters.get(letter)
      if (again?.at === known.at) break
      known = again
    }
    throw new LogfoldError('no-such-dead-letter', `There is no dead letter ${letter}`)
  }

  /** Writes a letter for each record that has none yet; settles once the log has them. Waits and retries while the log is away. */
  async add(generation: number, partition: number, faulty: readonly FaultyRecord[], signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const fresh = faulty.filter(record => !this.#letters.has(letterName(generation, partition, record.offset)))
    const letters = fresh.map(record => letterOf(generation, partition, record))
    await this.#write(letters, signal)
    return letters
  }

  /** Notes which letters are resolved by these ops of a partition: those of the same id at a lower offset. */
  async resolve(generation: number, partition: number, ops: readonly ViewOp[], signal: AbortSignal): Promise<void> {
    if (this.#unresolved.size === 0) return
    const done: DeadLetterWithBytes[] = []
    for (const op of ops) {
      for (const name of this.#unresolved.get(op.id) ?? []) {
        const letter = this.#letters.get(name)?.letter
        if (letter?.generation !== generation || letter.partition !== partition || letter.offset >= op.offset) continue
        done.push(resolved(await this.show(name), op.offset))
      }
    }
    await this.#write(done, signal)
  }

  async close(): Promise<void> {
    this.#reader.close()
    await this.#reading
  }

  async #write(letters: readonly DeadLetterWithBytes[], signal: AbortSignal): Promise<void> {
    const backoff = new Backoff()
    let rest = letters
    while (rest.length > 0) {
      signal.throwIfAborted()
      const outcomes = await this.#writer.append(rest.map(toRecord), APPEND_DEADLINE_MS)
      const failed: DeadLetterWithBytes[] = []
      for (const [index, letter] of rest.entries()) {
        const outcome = outcomes[index]
        if (outcome?.kind === 'appended') this.#learn(letter.letter, letter, outcome.offset)
        else if (outcome?.kind === 'refused') throw refusal(letter, outcome.cause)
        else failed.push(letter)
      }
      rest = failed
      if (rest.length === 0) return
      this.#logger.warn('The log does not take dead letters; trying again', { topic: this.#topic.name, waiting: rest.length })
      await backoff.wait(signal)
    }
  }

  async #read(): Promise<void> {
    try {
      const end = (await this.#log.endOffsets(this.#topic))[0] ?? 0
      for (let position = 0; ; ) {
        if (position >= end) this.#caughtUp.resolve()
        const stretch = await this.#reader.next(IDLE_WAIT_MS)
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

  #fold(cursor: RecordCursor): void {
    if (cursor.keyEnd < 0) return
    const name = Buffer.from(cursor.buffer.subarray(cursor.keyStart, cursor.keyEnd)).toString('utf8')
    const value = cursor.valueEnd < 0 ? undefined : cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd)
    this.#learn(name, value === undefined ? undefined : decodeLetter(value), cursor.offset)
  }

  /** What a writer learns from the log's answer, its reader brings again: an older state never replaces a newer one. */
  #learn(name: string, letter: DeadLetter | undefined, at: Offset): void {
    const known = this.#letters.get(name)
    if (known !== undefined && known.at >= at) return
    if (known === undefined && letter !== undefined && this.#letters.size >= LETTERS_MAX) {
      this.#left++
      return
    }
    this.#sorted = undefined
    if (known?.letter.id !== undefined) this.#settle(known.letter.id, name)
    if (letter === undefined) {
      this.#letters.delete(name)
      return
    }
    this.#letters.set(name, { letter: withoutBytes(letter), at })
    if (letter.id === undefined || letter.resolvedBy !== undefined) return
    const names = this.#unresolved.get(letter.id)
    if (names === undefined) this.#unresolved.set(letter.id, new Set([name]))
    else names.add(name)
  }

  #settle(id: string, name: string): void {
    const names = this.#unresolved.get(id)
    names?.delete(name)
    if (names?.size === 0) this.#unresolved.delete(id)
  }

  async #fetch(at: Offset): Promise<DeadLetterWithBytes | undefined> {
    const reader = this.#log.reader(this.#topic, 0, at)
    try {
      const cursor = (await reader.next(0)).records()
      if (!cursor.next() || cursor.offset !== at || cursor.valueEnd < 0) return undefined
      return decodeLetterWithBytes(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd))
    } finally {
      reader.close()
    }
  }
}

const toRecord = (letter: DeadLetterWithBytes): NewRecord => ({
  partition: 0,
  key: Buffer.from(letter.letter),
  value: encodeLetter(letter),
})

const withoutBytes = ({ key: _key, value: _value, ...letter }: DeadLetter & Partial<DeadLetterWithBytes>): DeadLetter => letter

const byPlace = (a: DeadLetter, b: DeadLetter): number => a.generation - b.generation || a.partition - b.partition || a.offset - b.offset

const refusal = (letter: DeadLetter, cause: unknown): LogfoldError =>
  new LogfoldError('store-refused', `The log refuses the dead letter ${letter.letter}: ${messageOf(cause)}`, {
    remedy: 'Let the topic of the dead letters take larger records than the topic of the view (max.message.bytes)',
    cause,
  })
