import { setTimeout as wait } from 'node:timers/promises'
import type { DeadLetterReader } from '../model/dead-letter.ts'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import type { SchemaCheck } from '../model/value.ts'
import { type Generation, generationName, type ViewBackend, type ViewReader } from '../model/view-backend.ts'
import { definitionHash, type ViewDefinition } from './definition.ts'
import type { Serving, Source, View } from './view.ts'

const CONNECT_RETRY_MS = 1_000
/** How often a view that doesn't serve yet is looked at. */
const LOOK_DELAY_MS = 200

/** A view's dead letters, which end with the view. */
export interface ClosableDeadLetters extends DeadLetterReader {
  close(): Promise<void>
}

/** How the process opens a view's dead letters; given, as they belong to the pipeline. */
export type OpenDeadLetters<Letters extends ClosableDeadLetters> = (log: Log, topic: Topic) => Letters

export interface LiveViewOptions<Letters extends ClosableDeadLetters> {
  readonly definition: ViewDefinition
  readonly schema: SchemaCheck | undefined
  /** Before the names of groups and of our own topics. */
  readonly namespace: string
  readonly log: Log
  readonly backend: ViewBackend
  readonly openDeadLetters: OpenDeadLetters<Letters>
  readonly logger: Logger
}

export interface Connected<Letters extends ClosableDeadLetters> extends Source {
  readonly generation: Generation
  readonly deadLetters: Letters
  readonly reader: ViewReader
}

/** What a process knows of a view: its topic, once the log has told it; and what serves, once a generation is filled. Generation 1 is the only one. */
export class LiveView<Letters extends ClosableDeadLetters> implements View {
  readonly name: string
  readonly definition: ViewDefinition
  readonly schema: SchemaCheck | undefined
  readonly #options: LiveViewOptions<Letters>
  readonly #listeners = new Set<(shard: string) => void>()
  readonly #closing = new AbortController()
  readonly #connected = Promise.withResolvers<Connected<Letters>>()
  readonly #running: Promise<void>
  #source: Connected<Letters> | LogfoldError
  #serves = false
  #progress: LogfoldError
  #stop: LogfoldError | undefined
  #doubtful = Promise.withResolvers<void>()

  constructor(options: LiveViewOptions<Letters>) {
    this.name = options.definition.view
    this.definition = options.definition
    this.schema = options.schema
    this.#options = options
    this.#source = new LogfoldError('log-unavailable', `The topic ${this.definition.topic} is not known yet`, {
      retryAfterMs: CONNECT_RETRY_MS,
    })
    this.#progress = this.#folding('it has not been looked at yet')
    this.#connected.promise.catch(() => undefined)
    this.#running = this.#run()
  }

  /** Settles when the topic is known. @throws closed */
  connected(): Promise<Connected<Letters>> {
    return this.#connected.promise
  }

  source(): Connected<Letters> {
    return this.#known()
  }

  deadLetters(): DeadLetterReader {
    return this.#known().deadLetters
  }

  serving(): Serving {
    const { generation, reader } = this.#known()
    if (!this.#serves) throw this.#stop ?? this.#progress
    return { generation, backend: this.#options.backend, reader }
  }

  /** Told by the worker in this process; without one, by a store that holds something else. */
  get stopped(): LogfoldError | undefined {
    return this.#stop ?? (this.#progress.code === 'foreign-store' ? this.#progress : undefined)
  }

  /** Why reads aren't answered; undefined when they are. */
  readiness(): string | undefined {
    try {
      this.serving()
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  doubt(): void {
    this.#serves = false
    this.#doubtful.resolve()
  }

  onApplied(listener: (shard: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  applied(shard: string): void {
    for (const listener of this.#listeners) listener(shard)
  }

  /** The worker stopped folding for safety. What is there goes on being served. */
  stop(error: LogfoldError): void {
    this.#stop = new LogfoldError('view-stopped', error.message, {
      cause: error,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#doubtful.resolve()
    this.#connected.reject(new LogfoldError('closed', `The view ${this.name} was closed`))
    await this.#running
    if (!(this.#source instanceof LogfoldError)) await this.#source.deadLetters.close()
  }

  #known(): Connected<Letters> {
    if (this.#source instanceof LogfoldError) throw this.#source
    return this.#source
  }

  async #run(): Promise<void> {
    const signal = this.#closing.signal
    const connected = await this.#connect(signal)
    if (connected === undefined) return
    while (!signal.aborted) {
      this.#doubtful = Promise.withResolvers()
      this.#serves = await this.#look(connected)
      if (this.#serves) await this.#doubtful.promise
      else await pause(LOOK_DELAY_MS, signal)
    }
  }

  /** Asks the log for the topic until it answers; what keeps it from answering is what requests are told meanwhile. */
  async #connect(signal: AbortSignal): Promise<Connected<Letters> | undefined> {
    while (!signal.aborted) {
      try {
        const connected = await this.#open()
        this.#source = connected
        this.#connected.resolve(connected)
        return connected
      } catch (error) {
        const told = isLogfoldError(error) ? error : new LogfoldError('internal', messageOf(error), { cause: error })
        const known = this.#source instanceof LogfoldError && this.#source.message === told.message
        this.#source = told
        if (!known) this.#options.logger.warn('The view waits for its topic', { code: told.code, cause: told.message, remedy: told.remedy })
        await pause(CONNECT_RETRY_MS, signal)
      }
    }
    return undefined
  }

  async #open(): Promise<Connected<Letters>> {
    const { definition, log, namespace, backend, openDeadLetters } = this.#options
    const { view, partitions, replication, create } = definition
    const topic = await log.topic({ name: definition.topic, partitions, replication, create })
    // Its records carry a record of the topic each, and say why.
    const recordBytesMax = topic.recordBytesMax + DEAD_LETTER_HEADER_BYTES_MAX
    const letters = await log.topic({
      name: `${namespace}.${view}.dead`,
      partitions: 1,
      replication,
      create: true,
      recordBytesMax,
    })
    const generation: Generation = {
      view,
      number: 1,
      partitions: topic.partitions,
      format: definition.format,
      ordered: definition.ordered,
      uid: `${view}@1:${topic.id}`,
      logId: log.logId,
      topicId: topic.id,
      definitionHash: definitionHash(definition),
    }
    return {
      log,
      topic,
      generation,
      writer: log.writer(topic),
      group: `${namespace}.${generationName(generation)}`,
      deadLetters: openDeadLetters(log, letters),
      reader: backend.reader(generation),
    }
  }

  async #look(connected: Connected<Letters>): Promise<boolean> {
    try {
      if (await connected.reader.filled()) return true
      this.#progress = this.#folding(await this.#told(connected))
    } catch (error) {
      this.#progress = this.#waiting(error)
    }
    return false
  }

  async #told({ log, topic, reader }: Connected<Letters>): Promise<string> {
    const [ends, ...shards] = await Promise.all([log.endOffsets(topic), ...this.#options.backend.shards.map(shard => reader.vouched(shard))])
    const total = sum(ends)
    const done = Math.min(...shards.map(sum))
    return `${done} of ${total} offsets (${total === 0 ? 100 : Math.floor((100 * done) / total)} %) so far`
  }

  #folding(progress: string): LogfoldError {
    return new LogfoldError('view-folding', `The view ${this.name} is being folded for the first time: ${progress}`, {
      remedy: 'It serves by itself once it has caught up',
      retryAfterMs: 1_000,
    })
  }

  /** A store that was never opened is one that a worker has yet to come to. */
  #waiting(error: unknown): LogfoldError {
    if (isLogfoldError(error, 'view-lost')) return this.#folding('no worker has opened its store yet')
    return isLogfoldError(error) ? error : new LogfoldError('view-unavailable', messageOf(error), { cause: error })
  }
}

const DEAD_LETTER_HEADER_BYTES_MAX = 64 * 1024

const sum = (offsets: readonly Offset[]): number => offsets.reduce((total, offset) => total + offset, 0)

const pause = (ms: number, signal: AbortSignal): Promise<void> => wait(ms, undefined, { signal }).catch(() => undefined)
