import { randomUUID } from 'node:crypto'
import { orAborted } from '../model/bounded.ts'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import type { Log, LogReader, LogWriter, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { Moves } from '../model/moves.ts'
import { pause } from '../model/pause.ts'
import type { Offset, RecordCursor } from '../model/record.ts'
import { COMMAND_BYTES_MAX, COMMAND_FORMAT, type Command, type CommandName, decodeCommand, encodeCommand } from './command.ts'
import { halt, judge, nothingYet, type Refusal, type ViewState } from './state.ts'

const IDLE_WAIT_MS = 1_000
const APPEND_DEADLINE_MS = 5_000
const RETRY_MS = 200

/** What became of a command. */
export type Sent = { readonly kind: 'accepted'; readonly offset: Offset } | { readonly kind: 'refused'; readonly reason: Refusal }

/** A command without what `send` adds. */
export type Order = { [Name in CommandName]: Omit<Extract<Command, { command: Name }>, 'format' | 'id' | 'after' | 'by' | 'atMs'> }[CommandName]

export interface ControlOptions {
  readonly log: Log
  readonly topic: Topic
  /** Host and process, for people. */
  readonly by: string
  readonly logger: Logger
  /** The view's state is another one. */
  readonly changed: (view: string) => void
  /** The topic can't be read any more, and why: what is known of the views may be out of date from now on. Not told where it was closed. */
  readonly ended: (error: unknown) => void
}

export const controlTopicName = (namespace: string): string => `${namespace}.control`

/** Where the control topic of a namespace is, and how it is made. Compacted, which takes nothing away as each record has a key of its own. */
export const openControlTopic = (log: Log, namespace: string, replication: number): Promise<Topic> =>
  log.topic({ name: controlTopicName(namespace), partitions: 1, replication, create: true })

/** The fold of the control topic, kept up to date by reading it from the start, and the way commands get there. Every process has one. */
export class Control {
  readonly #options: ControlOptions
  readonly #writer: LogWriter
  readonly #reader: LogReader
  readonly #states = new Map<string, ViewState>()
  /**
   * What this process sent and waits for: id → what became of it, once it was met. The first record of it decides: copies of what was accepted are
   * out of date, and what didn't fit once never will.
   */
  readonly #awaited = new Map<string, Sent | undefined>()
  readonly #reading: Promise<void>
  /** The reason is what ended the reading. */
  readonly #ended = new AbortController()
  #position: Offset = 0
  readonly #moves = new Moves()

  constructor(options: ControlOptions) {
    const { log, topic } = options
    this.#options = options
    this.#writer = log.writer(topic)
    this.#reader = log.reader(topic, 0, 0)
    this.#reading = this.#read()
  }

  /** Id of the topic: with an offset it names a command. */
  get topicId(): string {
    return this.#options.topic.id
  }

  /** Of the topic, where commands stand. */
  get topic(): Topic {
    return this.#options.topic
  }

  /** How far it is folded: the next offset. */
  get position(): Offset {
    return this.#position
  }

  /** As far as it is folded. */
  state(view: string): ViewState {
    return this.#states.get(view) ?? nothingYet
  }

  /** Every view that a command was accepted for. */
  views(): readonly string[] {
    return [...this.#states.keys()]
  }

  /**
   * Settles when all is folded that is in the topic now.
   * @throws log-unavailable; topic-mismatch and whatever else ends the reading; the signal's reason
   */
  async upToDate(signal: AbortSignal): Promise<void> {
    const { log, topic } = this.#options
    const [end = 0] = await orAborted(log.endOffsets(topic), signal)
    await this.#foldedTo(end, signal)
  }

  /**
   * Sends a command, as of the state that is folded when it is called, and waits for its verdict. While nothing is known of it, it is sent again, so
   * that it stands there once that accepts it.
   * @param askedBy who wants it, for people
   * @throws the signal's reason where it came before the call; log-unavailable where it was never sent, or the log doesn't take it; too-large;
   * outcome-unknown where the signal came before it was known what became of it; what ends the reading
   */
  async send(order: Order, signal: AbortSignal, askedBy?: string): Promise<Sent> {
    signal.throwIfAborted()
    // It would be refused by everybody, each time it is sent.
    if (this.state(order.view).halted !== undefined) return { kind: 'refused', reason: 'halted' }
    const command = this.#commandOf(order, askedBy)
    const tooLong = tooLongOf(command)
    if (tooLong !== undefined) throw tooLong
    this.#awaited.set(command.id, undefined)
    try {
      return await this.#sendUntilKnown(command, signal)
    } finally {
      this.#awaited.delete(command.id)
    }
  }

  /** Why it would not be sent, whatever the state is; undefined where it would. */
  tooLong(order: Order): LogfoldError | undefined {
    return tooLongOf(this.#commandOf(order))
  }

  async close(): Promise<void> {
    this.#reader.close()
    await this.#reading
  }

  #commandOf(order: Order, askedBy?: string): Command {
    const { by } = this.#options
    const { last } = this.state(order.view)
    const who = askedBy === undefined ? by : `${askedBy}, through ${by}`
    return { ...order, format: COMMAND_FORMAT, id: randomUUID(), after: last, by: who, atMs: Date.now() } as Command
  }

  async #sendUntilKnown(command: Command, signal: AbortSignal): Promise<Sent> {
    for (let doubtful = false; ; ) {
      // What is sent by what was known then may no longer be so, and nobody would see what became of it.
      this.#ended.signal.throwIfAborted()
      const outcome = await this.#append(command)
      doubtful ||= outcome.kind === 'unknown'
      try {
        // One that is certain comes behind all that isn't: what a copy of it met before, was met by then.
        if (outcome.kind === 'appended') return await this.#verdict(command.id, outcome.offset, signal)
        await pause(RETRY_MS, signal)
        const met = this.#awaited.get(command.id)
        if (met !== undefined) return met
        signal.throwIfAborted()
      } catch (error) {
        if (!signal.aborted) throw error
        if (!doubtful && outcome.kind === 'not-sent')
          throw new LogfoldError('log-unavailable', 'The log does not take the command', { cause: outcome.cause })
        throw new LogfoldError('outcome-unknown', `It is not known whether ${command.command} of ${command.view} was accepted`, {
          cause: error,
          remedy: 'See what the status says before you repeat it',
        })
      }
    }
  }

  async #append(
    command: Command,
  ): Promise<{ readonly kind: 'appended'; readonly offset: Offset } | { readonly kind: 'not-sent' | 'unknown'; readonly cause: unknown }> {
    const { topic } = this.#options
    const record = { partition: 0, ...encodeCommand(command, randomUUID()) }
    const [outcome = { kind: 'unknown', cause: undefined }] = await this.#writer.append([record], APPEND_DEADLINE_MS)
    failPoint('control/sent')
    if (outcome.kind !== 'refused') return outcome
    throw notTaken(topic, outcome.cause)
  }

  async #verdict(id: string, offset: Offset, signal: AbortSignal): Promise<Sent> {
    await this.#foldedTo(offset + 1, signal)
    const met = this.#awaited.get(id)
    if (met === undefined) throw new LogfoldError('internal', `The command at ${offset} was folded without being met`)
    return met
  }

  async #foldedTo(position: Offset, signal: AbortSignal): Promise<void> {
    await this.#moves.until(() => this.#position >= position, signal)
  }

  async #read(): Promise<void> {
    const { topic, logger } = this.#options
    try {
      for (;;) {
        const stretch = await this.#reader.next(IDLE_WAIT_MS)
        if (stretch.hole !== undefined) throw historyCut(topic, stretch.hole)
        const cursor = stretch.records()
        while (cursor.next()) this.#fold(cursor)
        this.#position = stretch.next
        this.#moves.moved()
      }
    } catch (error) {
      this.#ended.abort(error)
      this.#moves.end(error)
      if (isLogfoldError(error, 'closed')) return
      logger.error('The control topic can no longer be read', { topic: topic.name, cause: messageOf(error) })
      this.#options.ended(error)
    }
  }

  #fold({ buffer, valueStart, valueEnd, offset }: RecordCursor): void {
    const decoded = decodeCommand(valueEnd < 0 ? null : buffer.subarray(valueStart, valueEnd))
    if (decoded.kind === 'nothing') {
      this.#options.logger.warn('A record of the control topic is no command, and changes nothing', { offset, why: decoded.why })
    } else if (decoded.kind === 'newer') {
      const { view } = decoded.newer
      this.#learn(view, halt(this.state(view), decoded.newer, offset))
    } else {
      const { view, id } = decoded.command
      const verdict = judge(this.state(view), decoded.command, offset)
      this.#met(id, verdict.kind === 'accepted' ? { kind: 'accepted', offset } : verdict)
      if (verdict.kind === 'accepted') this.#learn(view, verdict.state)
    }
  }

  #learn(view: string, state: ViewState): void {
    if (state === this.state(view)) return
    this.#states.set(view, state)
    this.#options.changed(view)
  }

  #met(id: string, sent: Sent): void {
    if (this.#awaited.has(id) && this.#awaited.get(id) === undefined) this.#awaited.set(id, sent)
  }
}

function tooLongOf(command: Command): LogfoldError | undefined {
  const bytes = encodeCommand(command, '').value.length
  if (bytes <= COMMAND_BYTES_MAX) return undefined
  return new LogfoldError(
    'too-large',
    `${command.command} of ${command.view} would have ${bytes} bytes; a command has at most ${COMMAND_BYTES_MAX}`,
    {
      remedy: 'Make the JSON Schema or the projection shorter',
    },
  )
}

/** The same record would be refused again. */
function notTaken({ name, recordBytesMax }: Topic, cause: unknown): LogfoldError {
  const detail = `The topic ${name} does not take the command: ${messageOf(cause)}`
  if (isLogfoldError(cause, 'too-large')) {
    const remedy = `Let it take records of ${COMMAND_BYTES_MAX} bytes at least (max.message.bytes); it takes ${recordBytesMax}`
    return new LogfoldError('too-large', detail, { cause, remedy })
  }
  return new LogfoldError('log-unavailable', detail, { cause, remedy: `See that this process may write to ${name}` })
}

const historyCut = (topic: Topic, at: Offset): LogfoldError =>
  new LogfoldError('topic-mismatch', `The topic ${topic.name} has lost commands, from offset ${at} on: what it says of the views is not all`, {
    remedy: 'Bring the topic back as it was. It must be kept whole: cleanup.policy=compact, and nobody deletes its records',
  })
