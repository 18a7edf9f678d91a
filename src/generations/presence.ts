import { randomUUID } from 'node:crypto'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { AppendOutcome, Log, LogReader, LogWriter } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { Moves } from '../model/moves.ts'
import { pause } from '../model/pause.ts'
import { decodePresence, encodePresence, PRESENCE_FORMAT, type PresenceRecord } from './presence-record.ts'
import { type Living, Roll } from './roll.ts'

const EVERY_MS = 2_000
/** Short, as the next record says more, and others may be about to take this process for gone. */
const APPEND_DEADLINE_MS = 2_000
const RETRY_MS = 500
const IDLE_WAIT_MS = 1_000
const DELETE_AFTER_MS = 60 * 60 * 1000

export interface PresenceOptions {
  readonly log: Log
  readonly namespace: string
  /** Of the topic, where it is to be made. */
  readonly replication: number
  readonly logger: Logger
  /** What this process is now; asked before each record. */
  readonly describe: () => Omit<PresenceRecord, 'format' | 'uptimeMs'>
  /** The clock, for tests. Milliseconds since the process began; it never goes back. */
  readonly nowMs?: () => number
}

interface Opened {
  readonly writer: LogWriter
  readonly reader: LogReader
}

/**
 * Says that this process lives, and what it is; and knows who else does. An outage of the log is waited out: meanwhile nobody is certainly gone.
 *
 * Reading begins at the end: whoever lives says so again within seconds, and until 10 s have passed nothing is certain anyway.
 */
export class Presence {
  /** Of this process, and of no other start of it. */
  readonly name = randomUUID()
  readonly #options: PresenceOptions
  readonly #roll = new Roll(this.name)
  readonly #nowMs: () => number
  readonly #closing = new AbortController()
  readonly #moves = new Moves()
  readonly #saying: Promise<void>
  #opened: Opened
  #changed = new AbortController()
  #heard = true

  /** @throws topic-mismatch where the topic is kept otherwise; topic-missing where it can't be made; log-unavailable */
  static async open(options: PresenceOptions): Promise<Presence> {
    return new Presence(options, await openTopic(options))
  }

  private constructor(options: PresenceOptions, opened: Opened) {
    const { nowMs = () => performance.now() } = options
    this.#options = options
    this.#nowMs = nowMs
    this.#opened = opened
    this.#saying = this.#say()
    void this.#read()
  }

  /** What `describe` tells is another: it is said as soon as what is being said has landed. */
  changed(): void {
    this.#changed.abort()
  }

  /** Those that have said something in the last 10 s, this process among them. For people: who isn't there may live all the same. */
  living(): readonly Living[] {
    return this.#roll.living(this.#nowMs())
  }

  /** Whether whoever isn't `living` may be taken for gone: not in the first 10 s, nor in those after an outage of the log. */
  get isCertain(): boolean {
    return this.#roll.isCertain(Number.NEGATIVE_INFINITY, this.#nowMs())
  }

  /**
   * Who lives, so that it can be acted on: settles once all has come that was said before this call, and this process has kept up for 10 s.
   * Then who isn't there has said nothing for 10 s, in which this process could. That is a round trip, or up to 10 s after a start or an
   * outage, and no sooner than that is over.
   * @throws the signal's reason; closed
   */
  async certainlyLiving(signal: AbortSignal): Promise<readonly Living[]> {
    const calledMs = this.#nowMs()
    this.changed()
    await this.#moves.until(() => this.#roll.isCertain(calledMs, this.#nowMs()), signal)
    return this.living()
  }

  /** Says that this process ends. Takes no longer than two appends may. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#changed.abort()
    this.#opened.reader.close()
    this.#moves.end(new LogfoldError('closed', 'This process has said that it ends'))
    // Reading ends by itself, however long the log takes to open a topic.
    await this.#saying
  }

  async #say(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      // Before it is described: a change from here on is said by the next.
      this.#changed = new AbortController()
      const record = { ...this.#options.describe(), format: PRESENCE_FORMAT, uptimeMs: this.#nowMs() } as const
      const outcome = await this.#append(encodePresence(record))
      this.#tell(outcome)
      await pause(outcome.kind === 'appended' ? EVERY_MS : RETRY_MS, this.#changed.signal)
    }
    await this.#append(null)
  }

  async #append(value: Uint8Array | null): Promise<AppendOutcome> {
    try {
      const record = { partition: 0, key: Buffer.from(this.name), value }
      const [outcome] = await this.#opened.writer.append([record], APPEND_DEADLINE_MS)
      return outcome ?? { kind: 'unknown', cause: undefined }
    } catch (cause) {
      return { kind: 'not-sent', cause }
    }
  }

  /** Once an outage. */
  #tell(outcome: AppendOutcome): void {
    const { logger } = this.#options
    const heard = outcome.kind === 'appended'
    if (heard && !this.#heard) logger.info('This process can say again that it lives')
    if (!heard && this.#heard && !this.#closing.signal.aborted)
      logger.warn('This process cannot say that it lives; trying on', { cause: messageOf(outcome.cause) })
    this.#heard = heard
  }

  async #read(): Promise<void> {
    for (;;) {
      try {
        await this.#fold(this.#opened.reader)
      } catch (error) {
        this.#opened.reader.close()
        if (isLogfoldError(error, 'closed')) return
        this.#options.logger.warn('The presence topic is read anew from its end', { cause: messageOf(error) })
      }
      await this.#reopen()
    }
  }

  async #fold(reader: LogReader): Promise<never> {
    for (;;) {
      const stretch = await reader.next(IDLE_WAIT_MS)
      const nowMs = this.#nowMs()
      const cursor = stretch.records()
      while (cursor.next()) {
        const { buffer, keyStart, keyEnd, valueStart, valueEnd } = cursor
        if (keyEnd < 0) continue
        const name = Buffer.from(buffer.subarray(keyStart, keyEnd)).toString()
        this.#roll.came(name, valueEnd < 0 ? null : decodePresence(buffer.subarray(valueStart, valueEnd)), nowMs)
      }
      this.#moves.moved()
    }
  }

  /** The topic was cut, or made again: nothing of it is needed but what comes. */
  async #reopen(): Promise<void> {
    const { signal } = this.#closing
    this.#roll.skipped()
    for (;;) {
      await pause(RETRY_MS, signal)
      if (signal.aborted) return
      try {
        this.#opened = await openTopic(this.#options)
        if (signal.aborted) this.#opened.reader.close()
        this.changed()
        return
      } catch (error) {
        this.#options.logger.debug('The presence topic cannot be opened; trying on', { cause: messageOf(error) })
      }
    }
  }
}

async function openTopic({ log, namespace, replication }: PresenceOptions): Promise<Opened> {
  const topic = await log.topic({ name: `${namespace}.presence`, partitions: 1, replication, create: true, deleteAfterMs: DELETE_AFTER_MS })
  const [end = 0] = await log.endOffsets(topic)
  return { writer: log.writer(topic), reader: log.reader(topic, 0, end) }
}
