import type { DeadLetterReader } from '../model/dead-letter.ts'
import { isAnswer, LogfoldError, messageOf } from '../model/errors.ts'
import { type Generation, generationName } from '../model/generation.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { Offset } from '../model/record.ts'
import type { SchemaCheck } from '../model/value.ts'
import type { ViewBackend, ViewReader } from '../model/view-backend.ts'
import { generationOf, type ViewDefinition } from './definition.ts'
import { formatProgress, type Health, ShardHealth } from './shard-health.ts'
import type { Serving, Source, View } from './view.ts'

const CONNECT_RETRY_MS = 1_000

/** A view's dead letters, which end with the view. */
export interface ClosableDeadLetters extends DeadLetterReader {
  close(): Promise<void>
}

/** How the process opens a view's dead letters, from their topic and the id of the view's; given, as they belong to the pipeline. */
export type OpenDeadLetters<Letters extends ClosableDeadLetters> = (log: Log, letters: Topic, topicId: string) => Letters

export interface LiveViewOptions<Letters extends ClosableDeadLetters> {
  readonly definition: ViewDefinition
  readonly schema: SchemaCheck | undefined
  /** What becomes of reads of a shard that fell behind. */
  readonly whenBehind: 'refuse' | 'serve'
  /** Before the names of groups and of our own topics. */
  readonly namespace: string
  readonly log: Log
  readonly backend: ViewBackend
  readonly openDeadLetters: OpenDeadLetters<Letters>
  readonly logger: Logger
  /** A bug was met, in the code of the log or the store: the process should end. */
  readonly failed: (error: unknown) => void
}

export interface Connected<Letters extends ClosableDeadLetters> extends Source {
  readonly generation: Generation
  readonly deadLetters: Letters
  readonly reader: ViewReader
}

/** What a process knows of a view: its topic, once the log has told it; and the health of each shard of what serves. Generation 1 is the only one. */
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
  #shards: readonly ShardHealth[] = []
  #stop: LogfoldError | undefined

  constructor(options: LiveViewOptions<Letters>) {
    this.name = options.definition.view
    this.definition = options.definition
    this.schema = options.schema
    this.#options = options
    this.#source = new LogfoldError('log-unavailable', `The topic ${this.definition.topic} is not known yet`, {
      retryAfterMs: CONNECT_RETRY_MS,
    })
    this.#connected.promise.catch(() => undefined)
    this.#running = this.#run().catch(options.failed)
  }

  /** Settles when the topic is known. @throws closed */
  connected(): Promise<Connected<Letters>> {
    return this.#connected.promise
  }

  source(): Connected<Letters> {
    if (this.#source instanceof LogfoldError) throw this.#source
    return this.#source
  }

  deadLetters(): DeadLetterReader {
    return this.source().deadLetters
  }

  serving(): Serving {
    const { generation, reader } = this.source()
    if (!this.#shards.some(({ now }) => now.kind === 'up' || now.kind === 'behind')) throw this.#stop ?? this.#why()
    return { generation, backend: this.#options.backend, reader }
  }

  assess(names: readonly string[]): 'current' | 'stale' {
    let assessed: 'current' | 'stale' = 'current'
    for (const { shard, now } of this.#shards) {
      if (now.kind !== 'behind' || !names.includes(shard)) continue
      if (this.#options.whenBehind === 'refuse') throw unreadable(this.name, shard, now)
      assessed = 'stale'
    }
    return assessed
  }

  /** What each shard is like, by its name; without any before the topic is known. */
  health(): ReadonlyMap<string, Health> {
    return new Map(this.#shards.map(({ shard, now }) => [shard, now]))
  }

  /** Told by the worker in this process; without one, by a store that holds something else. */
  get stopped(): LogfoldError | undefined {
    return this.#stop ?? this.#shards.map(({ now }) => (now.kind === 'away' ? now.error : undefined)).find(isForeign)
  }

  /** Why reads aren't answered; undefined when they are, at least those of one shard. */
  unready(): string | undefined {
    try {
      this.serving()
      return undefined
    } catch (error) {
      return messageOf(error)
    }
  }

  saw(name: string, vouched: readonly Offset[]): void {
    this.#shards.find(({ shard }) => shard === name)?.saw(vouched)
  }

  doubt(error: LogfoldError): LogfoldError {
    for (const shard of this.#shards) shard.doubt()
    const folding = this.#shards.find(({ now }) => now.kind === 'folding')
    if (error.code === 'view-folding' && folding !== undefined) return unreadable(this.name, folding.shard, folding.now)
    return error.code === 'view-unavailable' ? unanswering(`A shard of ${this.name}`, error) : error
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
    // Never the table's own words for what fails again, which speak of the request.
    const remedy = error.remedy ?? "Put right what the worker's log says, and start logfold again"
    this.#stop = new LogfoldError('view-stopped', error.message, { cause: error, remedy })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const shard of this.#shards) shard.doubt()
    this.#connected.reject(new LogfoldError('closed', `The view ${this.name} was closed`))
    await this.#running
    if (!(this.#source instanceof LogfoldError)) await this.#source.deadLetters.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    const connected = await this.#connect(signal)
    if (connected === undefined) return
    const { log, topic, reader } = connected
    const options = { reader, signal, endOffsets: () => log.endOffsets(topic) }
    this.#shards = this.#options.backend.shards.map(shard => new ShardHealth(shard, options))
    await Promise.all(this.#shards.map(shard => shard.watch()))
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
        if (!isAnswer(error)) throw error
        const known = this.#source instanceof LogfoldError && this.#source.message === error.message
        this.#source = error
        if (!known) this.#options.logger.warn('The view waits for its topic', { code: error.code, cause: error.message, remedy: error.remedy })
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
    const generation = generationOf(definition, topic, log.logId)
    return {
      log,
      topic,
      generation,
      writer: log.writer(topic),
      group: `${namespace}.${generationName(generation)}`,
      deadLetters: openDeadLetters(log, letters, topic.id),
      reader: backend.reader(generation),
    }
  }

  /** Why no shard can be read: what stops the view for good, or else where it is folded. */
  #why(): LogfoldError {
    const errors = this.#shards.map(({ shard, now }) => unreadable(this.name, shard, now))
    return errors.find(isForeign) ?? errors.find(({ code }) => code === 'view-folding') ?? errors[0] ?? unreadable(this.name, '', { kind: 'unknown' })
  }
}

const DEAD_LETTER_HEADER_BYTES_MAX = 64 * 1024

const isForeign = (error: LogfoldError | undefined): error is LogfoldError => error?.code === 'foreign-store'

/** What a client is told of a shard that it can't be answered from. */
function unreadable(view: string, shard: string, health: Health): LogfoldError {
  const folding = (progress: string): LogfoldError =>
    new LogfoldError('view-folding', `The view ${view} is being folded: ${progress}`, {
      remedy: 'It serves by itself once it has caught up',
      retryAfterMs: 1_000,
    })
  switch (health.kind) {
    case 'folding':
      return folding(`shard ${shard}, ${formatProgress(health.progress)}`)
    case 'behind':
      return new LogfoldError(
        'view-behind',
        `Shard ${shard} of ${view} came back with an older state, and catches up: ${formatProgress(health.progress)}`,
        {
          remedy: 'It serves by itself once it has caught up',
          retryAfterMs: 1_000,
        },
      )
    case 'away':
      // A store that was never opened is one that a worker has yet to come to.
      if (health.error.code === 'view-lost') return folding(`no worker has opened shard ${shard} yet`)
      return health.error.code === 'view-unavailable' ? unanswering(`Shard ${shard} of ${view}`, health.error) : health.error
    default:
      return new LogfoldError('view-unavailable', `The store of ${view} has not been looked at yet`, {
        remedy: 'Try again in a moment',
        retryAfterMs: 1_000,
      })
  }
}

/** Without the server's address, which is not everybody's to know; the status has it. */
const unanswering = (what: string, cause: LogfoldError): LogfoldError =>
  new LogfoldError('view-unavailable', `${what} does not answer`, { cause, remedy: 'Try again in a moment', retryAfterMs: 1_000 })
