import { MemoryBackend } from '../../backends/memory/backend.ts'
import type { BackendConfig, ViewConfig } from '../../src/config/config.ts'
import type { Order } from '../../src/generations/control.ts'
import { Coordination } from '../../src/generations/coordination.ts'
import { pinnedOf } from '../../src/generations/definition.ts'
import type { LiveGeneration } from '../../src/generations/live-generation.ts'
import type { PresenceRecord } from '../../src/generations/presence-record.ts'
import type { Role, ViewState } from '../../src/generations/state.ts'
import { HostedView } from '../../src/hosted-view.ts'
import type { EmbeddedLog } from '../../src/log/embedded/log.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { Log, Topic } from '../../src/model/log.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import type { Until } from '../../src/model/until.ts'
import type { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { Stores } from '../../src/stores.ts'
import { TestLogger } from './api-world.ts'
import { LogFolder } from './embedded-log.ts'
import { until } from './pipeline.ts'
import { SharedBackend, sharedConfig } from './shared-backend.ts'
import { viewConfig } from './view-config.ts'

/** Of the clock by which others live, so that nobody waits ten seconds to know; and each says so as much more often. */
const SPEED = 10
const SAY_MS = 40

export type Backends = Readonly<Record<string, readonly string[]>>

export interface HostedOptions {
  readonly role?: PresenceRecord['role']
  /** Whether it folds and keeps the view, as its role says. */
  readonly works?: boolean
  /** What its config has of the view otherwise. */
  readonly config?: Partial<ViewConfig>
  /** Backends of its config; those of the world, where it isn't said. */
  readonly backends?: Backends
  /** As another process has the file: the lease, and so each group, is of one of them at a time. */
  readonly ownLog?: boolean
  /** What this process has in between it and the log. */
  readonly through?: (log: Log) => Log
}

type Live = LiveGeneration<DeadLetters>

/** One of several processes that share the log and the stores. */
export interface HostedProcess {
  readonly coordination: Coordination
  readonly stores: Stores
  readonly hosted: HostedView
  readonly logger: TestLogger
  readonly metrics: Metrics
  /** Of a generation that is known here. */
  live(number: number): Live
  send(order: Order): Promise<number>
  /** A new generation on this backend. */
  create(number: number, backend: string, goes?: Until): Promise<Live>
  state(): Promise<ViewState>
  /** Number → role, with all that was sent until now. */
  roles(): Promise<Readonly<Record<number, Role>>>
  close(): Promise<void>
}

/** The view `job` on one embedded log; stores by their names and shards in the configs. All of it ends with `await using`. */
export class HostedWorld implements AsyncDisposable {
  readonly log: EmbeddedLog
  readonly folder: LogFolder
  /** What the processes met that they shouldn't. */
  readonly bugs: unknown[] = []
  /** Called one after another, the last first. Each may be called before. */
  protected readonly ending: (() => Promise<void>)[] = []
  readonly #backends: Backends
  readonly #partitions: number
  readonly #stores = new Map<string, SharedBackend>()

  protected constructor(folder: LogFolder, log: EmbeddedLog, backends: Backends, partitions: number) {
    this.folder = folder
    this.log = log
    this.#backends = backends
    this.#partitions = partitions
  }

  static async make(backends: Backends = { ring2: ['a', 'b'], ring3: ['c', 'd', 'e'] }): Promise<HostedWorld> {
    const folder = await LogFolder.make()
    return new HostedWorld(folder, await folder.open(), backends, viewConfig.partitions)
  }

  /** What stands under this name, whoever connects to it. */
  store(name: string, shards = this.#backends[name] ?? []): SharedBackend {
    const key = `${name}/${shards.join()}`
    const store = this.#stores.get(key) ?? new SharedBackend(shards)
    this.#stores.set(key, store)
    return store
  }

  backendsOf(backends: Backends): ReadonlyMap<string, BackendConfig> {
    return new Map(Object.entries(backends).map(([name, shards]) => [name, sharedConfig(name, shards, wanted => this.store(name, wanted))]))
  }

  async put(entries: Readonly<Record<string, string | null>>, topic = 'job'): Promise<void> {
    const partitions = this.#partitions
    const found = await this.log.topic({ name: topic, partitions, replication: 1, create: true })
    const records = Object.entries(entries).map(([id, value]) => {
      const key = Buffer.from(id)
      return { partition: partitioners.murmur2(key, partitions), key, value: value === null ? null : Buffer.from(value) }
    })
    for (const outcome of await this.log.writer(found).append(records, 5_000)) if (outcome.kind !== 'appended') throw new Error(outcome.kind)
  }

  /** Starts it, and waits for nothing. */
  async start(options: HostedOptions = {}): Promise<HostedProcess> {
    const { role = 'all', works = role !== 'api', config = {}, backends = this.#backends, ownLog = false, through = (log: Log) => log } = options
    const opened = ownLog ? await this.folder.open() : this.log
    const log = through(opened)
    const logger = new TestLogger()
    const metrics = new Metrics('test')
    const failed = (error: unknown): unknown => this.bugs.push(error)
    const stores = new Stores({ backends: this.backendsOf(backends), dataDir: this.folder.folder, logger })
    const shared = { log, namespace: 'logfold', logger, failed }
    const pid = this.ending.length
    const describe = (): Omit<PresenceRecord, 'format' | 'uptimeMs'> => ({
      host: 'here',
      pid,
      role,
      version: '0',
      formats: [1],
      folded: coordination.folded,
      backends: Object.fromEntries(Object.entries(stores.shards()).map(([name, shards]) => [name, [...shards]])),
      views: { job: hosted.says() },
    })
    const coordination: Coordination = new Coordination({ ...shared, replication: 1, by: 'test', nowMs: () => performance.now() * SPEED, describe })
    const view = { ...viewConfig, partitions: this.#partitions, ...config }
    const hosted: HostedView = new HostedView({
      ...shared,
      config: view,
      shards: stores.shards()[view.backend] ?? [],
      dataDir: this.folder.folder,
      coordination,
      stores,
      metrics,
    })
    if (works) hosted.work()
    const saying = setInterval(() => coordination.describedAnew(), SAY_MS)
    let closing: Promise<void> | undefined
    const end = async (): Promise<void> => {
      clearInterval(saying)
      await hosted.close()
      await coordination.close()
      if (ownLog) await opened.close()
    }
    const close = (): Promise<void> => {
      closing ??= end()
      return closing
    }
    this.ending.push(close)
    const live = (number: number): Live => {
      const found = hosted.live.generation(number)
      if (found === undefined) throw new Error(`There is no generation ${number} here`)
      return found
    }
    const send = async (order: Order): Promise<number> => {
      const sent = await coordination.control().send(order, AbortSignal.timeout(5_000))
      if (sent.kind === 'refused') throw new Error(`${order.command} is refused: ${sent.reason}`)
      return sent.offset
    }
    const state = async (): Promise<ViewState> => {
      const control = await coordination.ready()
      await control.upToDate(AbortSignal.timeout(5_000))
      return control.state('job')
    }
    return {
      coordination,
      stores,
      hosted,
      logger,
      metrics,
      live,
      send,
      create: async (number, backend, goes = 'ready') => {
        const topic = await log.topic({ name: view.topic, partitions: view.partitions, replication: 1, create: true })
        const pinned = pinnedOf({ ...view, backend, shards: backends[backend] ?? [] }, topic, log.logId)
        await send({ command: 'create', view: 'job', generation: number, pinned, until: goes })
        return live(number)
      },
      state,
      roles: async () => Object.fromEntries((await state()).generations.map(({ number, role: is }) => [number, is])),
      close,
    }
  }

  /** Starts it, and waits until its view has a generation, connected here. */
  async process(options: HostedOptions = {}): Promise<HostedProcess> {
    const process = await this.start(options)
    await process.hosted.live.known()
    for (const live of process.hosted.live.generations) await live.connected()
    await until(() => void process.coordination.presence())
    return process
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.ending.splice(0).reverse()) await end()
    for (const store of this.#stores.values()) await MemoryBackend.prototype.close.call(store)
    await this.folder[Symbol.asyncDispose]()
    if (this.bugs.length > 0) throw new AggregateError(this.bugs, 'Processes met bugs')
  }
}

/** As a process has the log that starts when the view's topic was deleted and made again: another one has its name. */
export const topicMadeAgain =
  (other: Topic) =>
  (log: Log): Log =>
    changedLog(log, { topic: async spec => (spec.name === viewConfig.topic ? { ...other, name: spec.name } : await log.topic(spec)) })

/** A shard of a generation is opened, folded up to here, and filled: what a worker does, at a word. */
export async function fillShard(live: Live, shard: string, vouched: number): Promise<void> {
  const { generation, backend } = await live.connected()
  const admin = backend.admin(generation)
  await admin.open(shard)
  const answer = await backend.writer(generation).checkpoints(shard)
  if (answer.kind !== 'open') throw new Error(answer.kind)
  for (const [partition, checkpoint] of answer.checkpoints.entries()) {
    const batch = {
      partition,
      from: checkpoint.position,
      vouched: checkpoint.vouched,
      checkpoint: { ...checkpoint, position: vouched, vouched },
      ops: [],
    }
    const outcome = await backend.writer(generation).apply(shard, batch)
    if (outcome.kind !== 'applied') throw new Error(outcome.kind)
  }
  if (!(await admin.markFilled(shard, await admin.opening(shard), []))) throw new Error('It is not filled')
}

export async function fill(live: Live, vouched: number): Promise<void> {
  for (const shard of live.state.pinned.shards) await fillShard(live, shard, vouched)
}

/** The same log, but for these members. */
export const changedLog = (log: Log, change: Partial<Log>): Log =>
  new Proxy(log, {
    get: (target, key) => {
      const member: unknown = Reflect.get(key in change ? change : target, key)
      return typeof member === 'function' && !(key in change) ? member.bind(target) : member
    },
  })
