import { ApiViews } from '../../src/api/api-view.ts'
import type { BackendConfig, ViewConfig } from '../../src/config/config.ts'
import { COMMAND_FORMAT } from '../../src/generations/command.ts'
import { Coordination } from '../../src/generations/coordination.ts'
import type { LiveGeneration } from '../../src/generations/live-generation.ts'
import type { LiveView } from '../../src/generations/live-view.ts'
import { HostedView, type HostedViewOptions } from '../../src/hosted-view.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { LogfoldError } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Offset } from '../../src/model/record.ts'
import type { ReshardRequest, ReshardVerb } from '../../src/model/reshard.ts'
import type { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { type Ordered, Orders } from '../../src/reshard/orders.ts'
import { Stores } from '../../src/stores.ts'
import { SimBackend } from './backend.ts'
import type { Judge } from './judge.ts'
import { SimLog } from './log.ts'
import type { SimProcess } from './process.ts'
import { SimVerify } from './verify.ts'
import type { World } from './world.ts'

/** One for all simulated processes, as it measures this one. Nothing is judged by it. */
const metrics = new Metrics('simulation')

const NAMESPACE = 'logfold'
/** As src/verbs.ts has it. */
const ORDER_MS = 30_000

export type Role = 'all' | 'worker' | 'api'

/** Verifies in the simulation's time. */
class SimHostedView extends HostedView {
  readonly #options: HostedViewOptions
  readonly #judge: Judge
  readonly #known = new Map<string, SimVerify>()

  constructor(options: HostedViewOptions, judge: Judge) {
    super(options)
    this.#options = options
    this.#judge = judge
  }

  override verifyOf(live: LiveGeneration<DeadLetters>): SimVerify {
    const { log, topic, generation, backend } = live.source()
    const known = this.#known.get(generation.uid)
    if (known !== undefined) return known
    const made = new SimVerify(this.#judge, {
      log,
      topic,
      generation,
      backend,
      holdRules: () => this.rules.hold(live),
      logger: this.#options.logger,
      path: '',
    })
    this.#known.set(generation.uid, made)
    return made
  }
}

/** A process of logfold, put together as src/main.ts does it, upon the simulated log and store. */
export class Worker {
  readonly process: SimProcess
  readonly role: Role
  readonly #world: World
  readonly #log: SimLog
  readonly #stores: Stores
  readonly #coordination: Coordination
  readonly #hosted: HostedView
  readonly #orders: Orders
  readonly startedMs: number
  readonly views: ApiViews
  readonly view: LiveView<DeadLetters>
  /** It was asked to end. */
  ending = false
  /** What operators wait for here. */
  asked = 0
  /** It has answered a read when every shard of what serves was filled. */
  answered = false
  /** The highest position that it told anybody of, one a partition: by its last answers, and when it went over to what it reads now. */
  readonly told = new Map<number, Offset>()
  toldBefore: { readonly restores: number; readonly positions: ReadonlyMap<number, Offset> } | undefined
  #current: LiveGeneration<DeadLetters> | undefined

  constructor(world: World, process: SimProcess, role: Role) {
    this.#world = world
    this.process = process
    this.role = role
    this.startedMs = world.clock.nowMs
    this.#log = new SimLog(world, process)
    const logger = this.#logger()
    const failed = (error: unknown): void =>
      world.judge.violated(`${process.name} met a bug: ${error instanceof Error ? (error.stack ?? error) : error}`)
    this.#stores = new Stores({ backends: backendsOf(world, process), dataDir: '', logger })
    const { views, hosted, coordination } = process.run(() => {
      const coordination = new Coordination({
        log: this.#log,
        namespace: NAMESPACE,
        replication: 1,
        by: process.name,
        describe: () => this.#describe(),
        logger,
        failed,
      })
      const hosted = new SimHostedView(
        {
          config: world.config,
          shards: world.shards,
          namespace: NAMESPACE,
          dataDir: '',
          log: this.#log,
          coordination,
          stores: this.#stores,
          metrics,
          logger,
          failed,
        },
        world.judge,
      )
      hosted.live.onChange(() => this.#changed())
      if (role !== 'api') hosted.work()
      return { coordination, hosted, views: new ApiViews(new Map([['job', hosted.live]])) }
    })
    this.#coordination = coordination
    this.#orders = new Orders({
      coordination,
      log: this.#log,
      backends: () => this.#stores.shards(),
      openStore: (name, shards) => this.#stores.open(name, shards),
      logger,
    })
    this.#hosted = hosted
    this.view = hosted.live
    this.views = views
  }

  get running(): boolean {
    return this.process.state === 'running' && !this.ending
  }

  get alive(): boolean {
    return this.process.state !== 'dead' && !this.ending
  }

  /** Why the view was stopped for safety. */
  get stopped(): LogfoldError | undefined {
    return this.view.stopped
  }

  /** Partitions that it isn't at the end of, as its own status has it. */
  get lagging(): boolean {
    return this.view.generations.some(
      ({ number, state }) =>
        !state.paused && (this.#hosted.feeds?.pipeline(number)?.status().partitions ?? []).some(({ lagRecords }) => lagRecords !== 0),
    )
  }

  /** Numbers of the generations that it answers from, as it tells the others. */
  get reads(): readonly number[] {
    return this.#hosted.says().reads
  }

  /** What an operator asks for. @throws as `Orders` does */
  order(verb: ReshardVerb, request: ReshardRequest): Promise<Ordered> {
    return this.process.run(() => this.#orders.reshard(this.view, verb, request, AbortSignal.timeout(ORDER_MS)))
  }

  /** Ends as a process does that is told to. */
  end(): void {
    this.ending = true
    this.process.run(() => {
      const ended = async (): Promise<void> => {
        this.views.close()
        await this.#hosted.close()
        await this.#coordination.close()
        await this.#log.close()
        this.#world.trace.add(`${this.process.name} has ended`)
        this.process.crash()
      }
      ended().catch(error => this.#world.judge.violated(`${this.process.name} could not end: ${error}`))
    })
  }

  #describe(): ReturnType<ConstructorParameters<typeof Coordination>[0]['describe']> {
    return {
      host: this.process.name,
      pid: 1,
      role: this.role,
      version: 'simulation',
      formats: [COMMAND_FORMAT],
      folded: this.#coordination.folded,
      backends: Object.fromEntries(Object.entries(this.#stores.shards()).map(([name, shards]) => [name, [...shards]])),
      views: { job: this.#hosted.says() },
    }
  }

  #changed(): void {
    const { stopped, current } = this.view
    const before = this.#current
    if (current !== before) {
      this.#current = current
      // What was taken away, or is lost while it leaves, can't be gone on with: there only `Logfold-After` holds.
      const gone =
        before !== undefined &&
        (this.view.generation(before.number) !== before || (before.state.role === 'leaving' && before.unreadable() !== undefined))
      this.toldBefore = gone ? undefined : { restores: this.#world.judge.restores, positions: new Map(this.told) }
    }
    if (stopped === undefined || this.#world.mayStop(stopped)) return
    this.#world.judge.violated(`${this.process.name} stopped for no reason: ${stopped.code} ${stopped.message}`)
  }

  #logger(): Logger {
    const quiet = (): void => undefined
    const told = (message: string, fields?: Record<string, unknown>): void => {
      this.#world.trace.add(
        `${this.process.name} says: ${message} ${JSON.stringify(fields ?? {}, (_, value) => (value instanceof Error ? value.message : value))}`,
      )
    }
    const logger: Logger = { debug: quiet, info: told, warn: told, error: told, child: () => logger }
    return logger
  }
}

/** The backends as the config of a process has them; each connects it to the simulated servers. */
function backendsOf(world: World, process: SimProcess): ReadonlyMap<string, BackendConfig> {
  const module: BackendConfig['module'] = {
    kind: 'simulated',
    traits: { durable: true, order: 'always' },
    config: { '~standard': { version: 1, vendor: 'simulation', validate: value => ({ value }) } },
    shards: name => world.backends.get(String(name)) ?? [],
    connect: async (_, { shards }) => new SimBackend(world, process, shards),
  }
  return new Map([...world.backends.keys()].map(name => [name, { name, kind: module.kind, module, config: name }]))
}

export const configOf = (partitions: number, ordered: boolean, whenBehind: ViewConfig['whenBehind']): ViewConfig => ({
  view: 'job',
  topic: 'job',
  partitions,
  replication: 1,
  create: true,
  backend: 'one',
  partitioner: 'murmur2',
  writable: true,
  format: 'json',
  ordered,
  whenBehind,
  jsonSchema: undefined,
  schema: undefined,
  projection: undefined,
  projectionScript: undefined,
})
