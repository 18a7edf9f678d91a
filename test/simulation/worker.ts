import { ApiViews } from '../../src/api/api-view.ts'
import type { ViewDefinition } from '../../src/generations/definition.ts'
import { LiveView } from '../../src/generations/live-view.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import { isLogfoldError, type LogfoldError } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { ViewPipeline } from '../../src/pipeline/view-pipeline.ts'
import { SimBackend } from './backend.ts'
import { SimLog } from './log.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

/** One for all simulated processes, as it measures this one. Nothing is judged by it. */
const metrics = new Metrics('simulation')

export type Role = 'all' | 'worker' | 'api'

/** A process of logfold, put together as src/main.ts does it, upon the simulated log and store. */
export class Worker {
  readonly process: SimProcess
  readonly role: Role
  readonly #world: World
  readonly #log: SimLog
  readonly #backend: SimBackend
  readonly views: ApiViews
  readonly view: LiveView<DeadLetters>
  #pipeline: ViewPipeline | undefined
  /** Why the view was stopped for safety. */
  stopped: LogfoldError | undefined
  /** It was asked to end. */
  ending = false

  constructor(world: World, process: SimProcess, role: Role) {
    this.#world = world
    this.process = process
    this.role = role
    this.#log = new SimLog(world, process)
    this.#backend = new SimBackend(world, process, world.shards)
    const logger = this.#logger()
    this.view = process.run(
      () =>
        new LiveView<DeadLetters>({
          definition: world.definition,
          schema: undefined,
          whenBehind: world.whenBehind,
          namespace: 'logfold',
          log: this.#log,
          backend: this.#backend,
          openDeadLetters: (log, letters, topicId) => new DeadLetters(log, letters, { topicId, generation: 1 }, logger),
          logger,
          failed: error => world.judge.violated(`${process.name} met a bug: ${error}`),
        }),
    )
    this.views = new ApiViews(new Map([['job', this.view]]))
    if (role !== 'api') process.run(() => void this.#fold(logger))
  }

  get running(): boolean {
    return this.process.state === 'running' && !this.ending
  }

  get alive(): boolean {
    return this.process.state !== 'dead' && !this.ending
  }

  /** Partitions that it isn't at the end of, as its own status has it. */
  get lagging(): boolean {
    const partitions = this.#pipeline?.status().partitions ?? []
    return partitions.some(({ lagRecords }) => lagRecords !== 0)
  }

  /** Ends as a process does that is told to. */
  end(): void {
    this.ending = true
    this.process.run(() => {
      const ended = async (): Promise<void> => {
        await this.#pipeline?.stop()
        await this.view.close()
        this.views.close()
        await this.#backend.close()
        await this.#log.close()
        this.#world.trace.add(`${this.process.name} has ended`)
        this.process.crash()
      }
      ended().catch(error => this.#world.judge.violated(`${this.process.name} could not end: ${error}`))
    })
  }

  async #fold(logger: Logger): Promise<void> {
    const { judge, definition } = this.#world
    try {
      const connected = await this.view.connected()
      if (this.ending) return
      const { topic } = connected
      this.#pipeline = new ViewPipeline({
        ...connected,
        backend: this.#backend,
        rules: { format: definition.format, schema: undefined, partitioner: { partitionOf: partitioners.murmur2, partitions: topic.partitions } },
        metrics,
        logger,
        applied: shard => this.view.applied(shard),
        mayOpen: async () => true,
        stopped: error => this.#stop(error),
        failed: error => judge.violated(`${this.process.name} lost its membership: ${error.message}`),
      })
      await this.#pipeline.start()
    } catch (error) {
      if (this.ending || isLogfoldError(error, 'closed') || (isLogfoldError(error) && this.#world.mayStop(error))) return
      judge.violated(`${this.process.name} could not start to fold: ${error}`)
    }
  }

  #stop(error: LogfoldError): void {
    this.#world.trace.add(`${this.process.name} stops for safety: ${error.code} ${error.message}`)
    this.stopped = error
    this.view.stop(error)
    if (!this.#world.mayStop(error)) this.#world.judge.violated(`${this.process.name} stopped for no reason: ${error.code} ${error.message}`)
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

export const definitionOf = (partitions: number, shards: readonly string[], ordered: boolean): ViewDefinition => ({
  view: 'job',
  topic: 'job',
  partitions,
  replication: 1,
  create: true,
  backend: 'simulated',
  shards,
  partitioner: 'murmur2',
  writable: true,
  format: 'json',
  ordered,
  jsonSchema: undefined,
})
