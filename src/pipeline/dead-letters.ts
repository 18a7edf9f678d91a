import type { DeadLetter, DeadLetterReader, DeadLetterWithBytes, LetterCounts, LetterOwner } from '../model/dead-letter.ts'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { Log, LogReader, LogWriter, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { Moves } from '../model/moves.ts'
import type { NewRecord, Offset, RecordCursor, Stretch } from '../model/record.ts'
import type { ViewOp } from '../model/view-backend.ts'
import { Backoff } from './backoff.ts'
import { decodeLetterWithBytes, dropRecord, dropRecords, encodeLetter, generationOfKey, letterOf } from './dead-letter-record.ts'
import type { FaultyRecord } from './fold.ts'
import { LetterTable, noSuchLetter } from './letter-table.ts'

const IDLE_WAIT_MS = 1_000
const APPEND_DEADLINE_MS = 10_000
const SHOW_MS = 10_000
/** Keys that are held while a generation's letters are looked for, some 150 bytes each; and records that are appended at once. */
const KEYS_MAX = 100_000
const DROPS_MAX = 1_000

/**
 * A view's dead letters, as one of its generations sees them: a fold of their topic, kept up to date by reading it from the start,
 * and the way new ones get there. The topic has one partition, and is one for all generations of the view. Every process that
 * reads or folds a generation has one of these.
 */
export class DeadLetters implements DeadLetterReader {
  readonly #log: Log
  readonly #topic: Topic
  readonly #writer: LogWriter
  readonly #logger: Logger
  readonly #owner: LetterOwner
  readonly #table: LetterTable
  readonly #readers = new Set<LogReader>()
  readonly #closing = new AbortController()
  readonly #caughtUp = Promise.withResolvers<void>()
  readonly #reading: Promise<void>
  /** Of the reader. */
  #position: Offset = 0
  readonly #moves = new Moves()

  /**
   * @param topic of the dead letters
   * @param owner the generation that is folded, and the topic it is folded from: of which the letters are that are written
   * and resolved, and whose ids are unresolved
   */
  constructor(log: Log, topic: Topic, { topicId, generation }: LetterOwner, logger: Logger) {
    this.#log = log
    this.#topic = topic
    this.#owner = { topicId, generation }
    this.#logger = logger
    this.#table = new LetterTable(this.#owner)
    this.#writer = log.writer(topic)
    this.#caughtUp.promise.catch(() => undefined)
    this.#reading = this.#read()
  }

  /** Settles when everything that was in the topic at the start has been read. @throws what keeps it from being read. */
  caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  /**
   * Settles when everything has been read that is in the topic now: so the worker that takes over a partition knows the
   * letters of the one before, and resolves them.
   * @throws log-unavailable; what keeps it from being read; the signal's reason
   */
  async upToDate(signal: AbortSignal): Promise<void> {
    await this.#readTo((await this.#log.endOffsets(this.#topic))[0] ?? 0, signal)
  }

  unresolved(id: string): boolean {
    return this.#table.unresolved(id)
  }

  counts(): LetterCounts {
    return this.#table.counts()
  }

  list(options: { readonly after?: string | undefined; readonly limit: number }): ReturnType<LetterTable['list']> {
    return this.#table.list(options)
  }

  async show(letter: string): Promise<DeadLetterWithBytes> {
    const known = this.#table.get(letter)
    const found = await this.#fetch(known.at)
    if (found === undefined) throw noSuchLetter(letter)
    return { ...found, ...known.letter }
  }

  /** @throws no-such-dead-letter */
  find(letter: string): DeadLetter {
    return this.#table.get(letter).letter
  }

  /** Writes a letter for each record that has none yet; settles once the log has them. Waits and retries while the log is away. */
  async add(partition: number, faulty: readonly FaultyRecord[], signal: AbortSignal): Promise<readonly DeadLetter[]> {
    const letters = faulty.map(record => letterOf({ ...this.#owner, partition }, record)).filter(({ letter }) => !this.#table.has(letter))
    await this.#write(letters.map(letterRecord), signal)
    const added = letters.map(({ key: _key, value: _value, ...letter }) => letter)
    const first = added[0]
    if (first !== undefined) this.#logger.warn('Records cannot be folded; they are kept as dead letters', { count: added.length, first })
    return added
  }

  /**
   * Notes which letters of this generation are resolved by these ops of a partition: those of the same id up to its offset. A letter's own record
   * resolves it that folds now. Waits and retries as `add`.
   */
  async resolve(partition: number, ops: readonly ViewOp[], signal: AbortSignal): Promise<void> {
    await this.#write(this.#table.resolutions(partition, ops), signal)
  }

  /**
   * Takes a letter away for good, its bytes included; settles once the log has that, and this process knows it no more (the others a
   * moment later). Waits and retries as `add`.
   *
   * Its id is then no longer unresolved for this letter: reads of it don't say so any more, while the store keeps the value that it had. The record
   * itself stays in the view's topic, where verify goes on listing its key as unresolved; and the worker that folds it again (a lost shard, another
   * generation) meets it again, and writes the letter again.
   * @throws no-such-dead-letter; the signal's reason
   */
  async drop(letter: string, signal: AbortSignal): Promise<void> {
    const last = await this.#write(dropRecords(this.#table.get(letter).key), signal)
    // Learned from the reader alone: it may have yet to read the letter itself, and would bring it back.
    await this.#readTo(last + 1, signal)
  }

  /**
   * Takes all letters of a generation away for good, of whatever topic, with what says that they are resolved: all that the log has when
   * it is called, also those that aren't kept in memory. What a late worker writes of it afterwards stays. Settles once the log has it,
   * and this process knows them no more. May be repeated: what is gone isn't written again, but for that of generations with over
   * 100,000 letters. Waits and retries as `add`.
   * @throws what keeps the topic from being read; the signal's reason
   */
  async dropGeneration(generation: number, signal: AbortSignal): Promise<void> {
    const end = await this.#endOffset(signal).catch(error => {
      signal.throwIfAborted()
      throw error
    })
    const keys = new Set<string>()
    let last: Offset = end - 1
    const drop = async (): Promise<void> => {
      const all = [...keys]
      for (let at = 0; at < all.length; at += DROPS_MAX) {
        last = Math.max(last, await this.#write(all.slice(at, at + DROPS_MAX).map(dropRecord), signal))
      }
      keys.clear()
    }
    for await (const stretch of this.#stretchesTo(end, signal)) {
      const cursor = stretch.records()
      while (cursor.next()) {
        const key = Buffer.from(cursor.buffer.subarray(cursor.keyStart, Math.max(cursor.keyStart, cursor.keyEnd))).toString('utf8')
        if (generationOfKey(key) !== generation) continue
        if (cursor.valueEnd < 0) keys.delete(key)
        else keys.add(key)
      }
      if (keys.size >= KEYS_MAX) await drop()
    }
    await drop()
    await this.#readTo(last + 1, signal)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const reader of this.#readers) reader.close()
    await this.#reading
  }

  async #readTo(position: Offset, signal: AbortSignal): Promise<void> {
    await this.#moves.until(() => this.#position >= position, signal)
  }

  /** @returns the offset of the last one; -1 where there are none */
  async #write(records: readonly NewRecord[], signal: AbortSignal): Promise<Offset> {
    const backoff = new Backoff()
    let last = -1
    for (let rest = records; rest.length > 0; ) {
      signal.throwIfAborted()
      const outcomes = await this.#writer.append(rest, APPEND_DEADLINE_MS)
      const failed: NewRecord[] = []
      for (const [index, record] of rest.entries()) {
        const outcome = outcomes[index]
        if (outcome?.kind === 'appended') {
          last = Math.max(last, outcome.offset)
          if (record.value !== null) this.#table.learn(record.key, record.value, outcome.offset)
        } else if (outcome?.kind === 'refused') throw refusal(record, outcome.cause)
        else failed.push(record)
      }
      rest = failed
      if (rest.length === 0) return last
      this.#logger.warn('The log does not take dead letters; trying again', { topic: this.#topic.name, waiting: rest.length })
      await backoff.wait(signal)
    }
    return last
  }

  async #read(): Promise<void> {
    const reader = this.#open(0)
    try {
      const end = await this.#endOffset(this.#closing.signal)
      for (;;) {
        if (this.#position >= end) this.#caughtUp.resolve()
        const stretch = await reader.next(IDLE_WAIT_MS)
        const cursor = stretch.records()
        while (cursor.next()) this.#fold(cursor)
        this.#position = stretch.next
        this.#moves.moved()
      }
    } catch (error) {
      this.#caughtUp.reject(error)
      this.#moves.end(error)
      if (!isLogfoldError(error, 'closed')) {
        this.#logger.error('The dead letters can no longer be read', { topic: this.#topic.name, cause: messageOf(error) })
      }
    }
  }

  /** All from the start. */
  async *#stretchesTo(end: Offset, signal: AbortSignal): AsyncGenerator<Stretch> {
    const reader = this.#open(0)
    // It waits for a log that is away.
    const stop = (): void => reader.close()
    signal.addEventListener('abort', stop)
    try {
      for (let position: Offset = 0; position < end; ) {
        signal.throwIfAborted()
        const stretch = await reader.next(IDLE_WAIT_MS)
        yield stretch
        position = stretch.next
      }
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
      this.#readers.delete(reader)
      reader.close()
    }
  }

  async #endOffset(signal: AbortSignal): Promise<Offset> {
    const backoff = new Backoff()
    for (;;) {
      try {
        return (await this.#log.endOffsets(this.#topic))[0] ?? 0
      } catch (error) {
        if (!isLogfoldError(error, 'log-unavailable') || signal.aborted) throw error
        this.#logger.warn('The log does not tell of dead letters; trying again', { topic: this.#topic.name, cause: error.message })
        await backoff.wait(signal)
      }
    }
  }

  #fold(cursor: RecordCursor): void {
    const part = (start: number, end: number): Uint8Array | null => (end < 0 ? null : cursor.buffer.subarray(start, end))
    this.#table.learn(part(cursor.keyStart, cursor.keyEnd), part(cursor.valueStart, cursor.valueEnd), cursor.offset)
  }

  async #fetch(at: Offset): Promise<DeadLetterWithBytes | undefined> {
    const reader = this.#open(at)
    // It waits for a log that is away; who asked for a letter shouldn't.
    const late = setTimeout(() => reader.close(), SHOW_MS)
    try {
      const cursor = (await reader.next(0)).records()
      if (!cursor.next() || cursor.offset !== at || cursor.valueEnd < 0) return undefined
      return decodeLetterWithBytes(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd), this.#owner)
    } catch (error) {
      if (!isLogfoldError(error, 'closed') || this.#closing.signal.aborted) throw error
      throw new LogfoldError('log-unavailable', `The log does not give the letter within ${SHOW_MS / 1000} s`, { cause: error })
    } finally {
      clearTimeout(late)
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

const refusal = (record: NewRecord, cause: unknown): LogfoldError =>
  new LogfoldError('store-refused', `The log refuses the dead letter ${Buffer.from(record.key ?? []).toString()}: ${messageOf(cause)}`, {
    remedy: 'Let the topic of the dead letters take larger records than the topic of the view (max.message.bytes)',
    cause,
  })
