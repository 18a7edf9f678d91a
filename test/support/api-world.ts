import { MemoryBackend } from '../../backends/memory/backend.ts'
import { type ApiServer, createApi, type HttpOptions } from '../../src/api/server.ts'
import type { ViewDefinition } from '../../src/generations/definition.ts'
import type { Serving, Source, View } from '../../src/generations/view.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { DeadLetterReader } from '../../src/model/dead-letter.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { AppendOutcome, Log, LogWriter, Topic } from '../../src/model/log.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { NewRecord, Offset } from '../../src/model/record.ts'
import type { SchemaCheck } from '../../src/model/value.ts'
import type { Batch, ViewOp, ViewReader } from '../../src/model/view-backend.ts'

/** Lines that were logged, for looking at. */
export class TestLogger implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }[] = []
  debug = (message: string, fields = {}): void => void this.lines.push({ level: 'debug', message, fields })
  info = (message: string, fields = {}): void => void this.lines.push({ level: 'info', message, fields })
  warn = (message: string, fields = {}): void => void this.lines.push({ level: 'warn', message, fields })
  error = (message: string, fields = {}): void => void this.lines.push({ level: 'error', message, fields })
  child = (): Logger => this
}

/** A log in memory whose failures a test writes. */
export class TestLog implements Log, LogWriter {
  readonly kind = 'test'
  readonly logId = 'test-log'
  readonly appended: NewRecord[] = []
  readonly ends: Offset[]
  membersNow: number | undefined = 1
  membersAsked = 0
  /** Who asks for the members waits for this. */
  membersHeld: Promise<void> = Promise.resolve()
  /** Answers the next appends instead of appending; for each record, in order. */
  readonly script: AppendOutcome[] = []
  away = false
  onAppended: () => void = () => {}
  constructor(partitions: number) {
    this.ends = Array.from({ length: partitions }, () => 0)
  }

  async append(records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
    const outcomes = records.map((record): AppendOutcome => {
      const scripted = this.script.shift()
      if (scripted !== undefined) return scripted
      const offset = this.ends[record.partition] ?? 0
      this.ends[record.partition] = offset + 1
      this.appended.push(record)
      return { kind: 'appended', offset }
    })
    this.onAppended()
    return outcomes
  }

  reach = async (): Promise<string> => 'in memory'
  async endOffsets(): Promise<readonly Offset[]> {
    if (this.away) throw new LogfoldError('log-unavailable', 'The log is away')
    return [...this.ends]
  }

  async members(): Promise<number | undefined> {
    this.membersAsked++
    await this.membersHeld
    return this.membersNow
  }

  writer = (): LogWriter => this
  topic = (): never => unused()
  reader = (): never => unused()
  join = (): never => unused()
  missingDeletes = (): never => unused()
  close = async (): Promise<void> => {}
}

const unused = (): never => {
  throw new Error('The API has no business with this')
}

const definition: ViewDefinition = {
  view: 'job',
  topic: 'job',
  partitions: 4,
  replication: 1,
  create: true,
  backend: 'memory',
  shards: ['a', 'b'],
  partitioner: 'murmur2',
  writable: true,
  format: 'json',
  ordered: true,
  jsonSchema: undefined,
}

export interface WorldOptions {
  readonly definition?: Partial<ViewDefinition>
  readonly schema?: SchemaCheck
}

/** A view over the memory backend that folds when, and as far as, the test says. */
export class TestView implements View {
  readonly name: string
  readonly definition: ViewDefinition
  readonly schema: SchemaCheck | undefined
  readonly log: TestLog
  readonly backend: MemoryBackend
  readonly generation: Generation
  readonly unresolved = new Set<string>()
  readonly letters: DeadLetterReader
  /** Folds each append at once. */
  folds = true
  doubts = 0
  servingError: LogfoldError | undefined
  sourceError: LogfoldError | undefined
  /** Instead of the backend's own. */
  reader: ViewReader
  readonly #listeners = new Set<(shard: string) => void>()
  #folded = 0

  constructor(options: WorldOptions) {
    this.definition = { ...definition, ...options.definition }
    this.name = this.definition.view
    this.schema = options.schema
    this.log = new TestLog(this.definition.partitions)
    this.backend = new MemoryBackend(this.definition.shards)
    this.generation = {
      view: this.name,
      number: 1,
      partitions: this.definition.partitions,
      format: this.definition.format,
      ordered: this.definition.ordered,
      uid: 'uid-1',
      logId: 'test-log',
      topicId: 'topic-1',
      definitionHash: 'hash',
    }
    this.reader = this.backend.reader(this.generation)
    this.letters = { unresolved: id => this.unresolved.has(id), counts: unused, list: unused, show: unused }
  }

  async open(): Promise<this> {
    const admin = this.backend.admin(this.generation)
    for (const shard of this.definition.shards) {
      await admin.open(shard)
      await admin.markFilled(shard, await admin.opening(shard), [])
    }
    this.log.onAppended = () => {
      if (this.folds) void this.fold()
    }
    return this
  }

  /** Folds what was appended and isn't folded, on the shards named. */
  async fold(shards: readonly string[] = this.definition.shards): Promise<void> {
    const records = this.log.appended.slice(this.#folded)
    this.#folded = this.log.appended.length
    const writer = this.backend.writer(this.generation)
    for (const record of records) {
      const offsets = this.#offsets
      const from = offsets[record.partition] ?? 0
      offsets[record.partition] = from + 1
      for (const shard of shards) {
        const batch = this.#batch(record, from, shard)
        const outcome = await writer.apply(shard, batch)
        if (outcome.kind !== 'applied') throw new Error(`The shard answered ${outcome.kind}`)
        for (const listener of this.#listeners) listener(shard)
      }
    }
  }

  readonly #offsets: Offset[] = []

  #batch(record: NewRecord, from: Offset, shard: string): Batch {
    const id = Buffer.from(record.key ?? '').toString('utf8')
    const { value } = record
    const op: ViewOp =
      value === null
        ? { kind: 'del', id, offset: from }
        : { kind: 'set', id, offset: from, timestampMs: 0, value: { buffer: value, start: 0, end: value.length } }
    const checkpoint = { position: from + 1, vouched: from + 1, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }
    return { partition: record.partition, from, vouched: from, checkpoint, ops: this.backend.owner(id) === shard ? [op] : [] }
  }

  source = (): Source => {
    if (this.sourceError !== undefined) throw this.sourceError
    const topic: Topic = { name: 'job', id: 'topic-1', partitions: this.definition.partitions, recordBytesMax: 1_048_588 }
    return { log: this.log, topic, writer: this.log, group: 'logfold.job@1' }
  }

  serving = (): Serving => {
    if (this.servingError !== undefined) throw this.servingError
    return {
      generation: this.generation,
      backend: this.backend,
      reader: this.reader,
      deadLetters: this.letters,
      endOffsets: () => this.log.endOffsets(),
      ending: this.ending.signal,
      hold: () => {
        this.held++
        return () => void this.held--
      },
      assess: this.assess,
      saw: () => undefined,
      doubt: this.doubt,
    }
  }

  /** Cuts off what takes long. */
  readonly ending = new AbortController()
  /** Requests that are answered now. */
  held = 0
  /** Whether another generation serves by now. */
  movedOn = async (_from: Serving | undefined): Promise<boolean> => false

  deadLetters = (): DeadLetterReader => this.letters

  stopped: LogfoldError | undefined

  doubt = (error: LogfoldError): LogfoldError => {
    this.doubts++
    return error
  }

  /** Shards that fell behind. */
  readonly behind = new Set<string>()
  whenBehind: 'refuse' | 'serve' = 'refuse'

  assess = (shards: readonly string[]): 'current' | 'stale' => {
    if (!shards.some(shard => this.behind.has(shard))) return 'current'
    if (this.whenBehind === 'serve') return 'stale'
    throw new LogfoldError('view-behind', 'A shard fell behind', { retryAfterMs: 1_000 })
  }

  onApplied = (listener: (shard: string) => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

export interface World extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly view: TestView
  readonly log: TestLog
  readonly logger: TestLogger
  readonly metrics: Metrics
  readonly api: ApiServer
}

const httpDefaults: HttpOptions = {
  host: '127.0.0.1',
  port: 0,
  cors: [],
  bodyBytesMax: 1_000_000,
  anonymous: ['read', 'write'],
  tokens: {},
}

/** A server over one view `job`. */
export async function startWorld(options: WorldOptions & { readonly http?: Partial<HttpOptions> } = {}): Promise<World> {
  const view = await new TestView(options).open()
  const logger = new TestLogger()
  const metrics = new Metrics('0.0.0')
  const api = createApi({
    views: new Map([[view.name, view]]),
    http: { ...httpDefaults, ...options.http },
    logger,
    metrics,
    drainMs: 200,
  })
  const { port } = await api.listen()
  const close = async (): Promise<void> => {
    await api.close()
    await view.backend.close()
  }
  return { url: `http://127.0.0.1:${port}`, port, view, log: view.log, logger, metrics, api, [Symbol.asyncDispose]: close }
}

/** Counts the questions for vouched positions, and lets a test wait for the next. */
export const countVouched = (view: TestView): { asked: number; next: () => Promise<void> } => {
  const { reader } = view
  let resolvers: (() => void)[] = []
  const counter = { asked: 0, next: () => new Promise<void>(resolve => resolvers.push(resolve)) }
  view.reader = {
    get: ids => reader.get(ids),
    list: options => reader.list(options),
    filled: shard => reader.filled(shard),
    vouched: shard => {
      counter.asked++
      for (const resolve of resolvers) resolve()
      resolvers = []
      return reader.vouched(shard)
    },
  }
  return counter
}
