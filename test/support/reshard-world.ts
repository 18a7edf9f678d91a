import { MemoryBackend } from '../../backends/memory/backend.ts'
import type { OpenedStore } from '../../src/generations/connected.ts'
import type { Order } from '../../src/generations/control.ts'
import { Coordination } from '../../src/generations/coordination.ts'
import type { ViewDefinition } from '../../src/generations/definition.ts'
import { LiveView } from '../../src/generations/live-view.ts'
import type { PresenceRecord } from '../../src/generations/presence-record.ts'
import type { ViewState } from '../../src/generations/state.ts'
import type { EmbeddedLog } from '../../src/log/embedded/log.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import type { ReshardRequest, ReshardVerb } from '../../src/model/reshard.ts'
import type { Capacity } from '../../src/model/view-backend.ts'
import { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { ViewPipeline } from '../../src/pipeline/view-pipeline.ts'
import { type Ordered, Orders, type OrdersOptions } from '../../src/reshard/orders.ts'
import { LogFolder } from './embedded-log.ts'
import { until } from './pipeline.ts'
import { quiet } from './quiet.ts'

/** Of the clock by which others live, so that nobody waits ten seconds to know; and each says so as much more often. */
const SPEED = 20
const SAY_MS = 20
const PARTITIONS = 2

/** Memory shards of which a test says how full they are. */
export class SizedBackend extends MemoryBackend {
  readonly capacities = new Map<string, Capacity>()

  override async capacity(shard: string): Promise<Capacity | undefined> {
    await this.enter(shard)
    return this.capacities.get(shard)
  }
}

type Backends = Readonly<Record<string, readonly string[]>>

export interface ProcessOptions {
  readonly role?: PresenceRecord['role']
  /** What its config has otherwise than the others' have. */
  readonly config?: Partial<ViewDefinition>
  /** Backends of its config; those of the world, where it isn't said. */
  readonly backends?: Backends
}

/** One of several that share the log and the stores, each with a config of its own. */
export interface TestProcess {
  readonly coordination: Coordination
  readonly view: LiveView<DeadLetters>
  /** Of the same process, with something in between. */
  ordersBy(coordination: OrdersOptions['coordination']): Orders
  /** As an operator asks it. */
  ask(verb: ReshardVerb, request?: Partial<ReshardRequest>): Promise<Ordered>
  /** What a worker sends. */
  send(order: Order): Promise<void>
  /** Of the view, with all that was sent until now. */
  state(): Promise<ViewState>
  /** A worker of it that folds this generation. */
  fold(number: number): Promise<ViewPipeline>
  /** Settles once reads of this generation can be answered here. */
  canRead(number: number): Promise<void>
  close(): Promise<void>
}

/** The view `job` on one log; stores by their names in the configs. All of it ends with `await using`. */
export class ReshardWorld implements AsyncDisposable {
  readonly log: EmbeddedLog
  /** What the processes met that they shouldn't. */
  readonly bugs: unknown[] = []
  readonly #folder: LogFolder
  readonly #backends: Backends
  readonly #stores = new Map<string, SizedBackend>()
  readonly #ending: (() => Promise<void>)[] = []

  private constructor(folder: LogFolder, log: EmbeddedLog, backends: Backends) {
    this.#folder = folder
    this.log = log
    this.#backends = backends
  }

  static async make(backends: Backends = { ring2: ['a', 'b'], ring3: ['a', 'b', 'c'] }): Promise<ReshardWorld> {
    const folder = await LogFolder.make()
    const log = await folder.open()
    await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: true })
    return new ReshardWorld(folder, log, backends)
  }

  /** What stands under this name, whoever connects to it. */
  store(name: string, shards = this.#backends[name] ?? []): SizedBackend {
    const key = `${name}/${shards.toSorted().join()}`
    const store = this.#stores.get(key) ?? new SizedBackend(shards)
    this.#stores.set(key, store)
    return store
  }

  async put(entries: Readonly<Record<string, string>>): Promise<void> {
    const topic = await this.log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: false })
    const records = Object.entries(entries).map(([id, value]) => {
      const key = Buffer.from(id)
      return { partition: partitioners.murmur2(key, PARTITIONS), key, value: Buffer.from(value) }
    })
    for (const outcome of await this.log.writer(topic).append(records, 5_000)) if (outcome.kind !== 'appended') throw new Error(outcome.kind)
  }

  async process(options: ProcessOptions = {}): Promise<TestProcess> {
    const { role = 'all', config = {}, backends = this.#backends } = options
    const openStore = async (name: string, shards: readonly string[]): Promise<OpenedStore> => {
      if (!shards.every(shard => backends[name]?.includes(shard))) throw new LogfoldError('backend-unknown', `The config lacks a shard of ${name}`)
      return { backend: this.store(name, shards), close: async () => undefined }
    }
    const pipelines: ViewPipeline[] = []
    const describe = (): Omit<PresenceRecord, 'format' | 'uptimeMs'> => ({
      host: 'here',
      pid: this.#ending.length,
      role,
      version: '0',
      formats: [1],
      folded: 0,
      backends: Object.fromEntries(Object.entries(backends).map(([name, shards]) => [name, [...shards]])),
      views: { job: readingOf(view) },
    })
    const failed = (error: unknown): unknown => this.bugs.push(error)
    const { log } = this
    const shared = { log, namespace: 'logfold', logger: quiet, failed }
    const nowMs = (): number => performance.now() * SPEED
    const coordination = new Coordination({ ...shared, replication: 1, by: 'test', nowMs, describe })
    const view: LiveView<DeadLetters> = new LiveView<DeadLetters>({
      ...shared,
      definition: this.#definition(backends, config),
      compileSchema: () => () => [],
      whenBehind: 'refuse',
      coordination,
      openStore,
      openDeadLetters: (at, letters, of) => new DeadLetters(at, letters, of, quiet),
    })
    const saying = setInterval(() => coordination.describedAnew(), SAY_MS)
    const ordersBy = (asked: OrdersOptions['coordination']): Orders =>
      new Orders({
        coordination: asked,
        log,
        backends: () => backends,
        openStore,
        logger: quiet,
      })
    const orders = ordersBy(coordination)
    let closing: Promise<void> | undefined
    const end = async (): Promise<void> => {
      clearInterval(saying)
      for (const pipeline of pipelines) await pipeline.stop()
      await view.close()
      await coordination.close()
    }
    const close = (): Promise<void> => {
      closing ??= end()
      return closing
    }
    this.#ending.push(close)
    await view.known()
    await until(() => expectLives(coordination))
    return {
      coordination,
      view,
      ordersBy,
      close,
      ask: (verb, request = {}) => orders.reshard(view, verb, { dryRun: false, force: [], ...request }, AbortSignal.timeout(15_000)),
      send: async order => {
        const sent = await coordination.control().send(order, AbortSignal.timeout(5_000))
        if (sent.kind === 'refused') throw new Error(`${order.command} is refused: ${sent.reason}`)
      },
      state: async () => {
        await coordination.control().upToDate(AbortSignal.timeout(5_000))
        return coordination.control().state('job')
      },
      fold: async number => {
        const pipeline = await this.#fold(view, number)
        pipelines.push(pipeline)
        return pipeline
      },
      canRead: number =>
        until(() => {
          const why = view.generation(number)?.unreadable()
          if (why !== undefined || view.generation(number) === undefined) throw why ?? new Error('It is not there')
        }),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ending.splice(0).reverse()) await end()
    for (const store of this.#stores.values()) await store.close()
    await this.#folder[Symbol.asyncDispose]()
    if (this.bugs.length > 0) throw new AggregateError(this.bugs, 'Processes met bugs')
  }

  #definition(backends: Backends, config: Partial<ViewDefinition>): ViewDefinition {
    const backend = config.backend ?? Object.keys(backends)[0] ?? ''
    return {
      view: 'job',
      topic: 'job',
      partitions: PARTITIONS,
      replication: 1,
      create: false,
      backend,
      shards: backends[backend] ?? [],
      partitioner: 'murmur2',
      writable: true,
      format: 'json',
      ordered: false,
      jsonSchema: undefined,
      ...config,
    }
  }

  async #fold(view: LiveView<DeadLetters>, number: number): Promise<ViewPipeline> {
    const live = view.generation(number)
    if (live === undefined) throw new Error(`There is no generation ${number}`)
    const connected = await live.connected()
    const pipeline = new ViewPipeline({
      ...connected,
      rules: { format: 'json', schema: undefined, partitioner: undefined },
      metrics: new Metrics('test'),
      logger: quiet,
      applied: () => undefined,
      mayOpen: async () => true,
      stopped: error => live.stop(error),
      failed: error => this.bugs.push(error),
    })
    await pipeline.start()
    return pipeline
  }
}

function readingOf(view: LiveView<DeadLetters>): { canRead: number[]; reads: number[] } {
  const numbers = view.generations.filter(live => live.unreadable() === undefined).map(({ number }) => number)
  return { canRead: numbers, reads: view.current === undefined ? [] : [view.current.number] }
}

/** Presence is there: from here on a command can be asked for. */
function expectLives(coordination: Coordination): void {
  coordination.presence()
}
