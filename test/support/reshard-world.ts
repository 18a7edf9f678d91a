import type { LiveView } from '../../src/generations/live-view.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { ReshardRequest, ReshardVerb } from '../../src/model/reshard.ts'
import type { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { ViewPipeline } from '../../src/pipeline/view-pipeline.ts'
import { type Ordered, Orders, type OrdersOptions } from '../../src/reshard/orders.ts'
import { LogFolder } from './embedded-log.ts'
import { type Backends, type HostedOptions, type HostedProcess, HostedWorld } from './hosted-world.ts'
import { until } from './pipeline.ts'
import { quiet } from './quiet.ts'

const PARTITIONS = 2

/** One of several that share the log and the stores, each with a config of its own. */
export interface TestProcess extends HostedProcess {
  readonly view: LiveView<DeadLetters>
  /** Of the same process, with something in between. */
  ordersBy(coordination: OrdersOptions['coordination']): Orders
  /** As an operator asks it. */
  ask(verb: ReshardVerb, request?: Partial<ReshardRequest>): Promise<Ordered>
  /** A worker of it that folds this generation. */
  fold(number: number): Promise<ViewPipeline>
  /** Settles once reads of this generation can be answered here. */
  canRead(number: number): Promise<void>
}

/** A world whose processes fold at a word alone, and keep nothing. */
export class ReshardWorld extends HostedWorld {
  static override async make(backends: Backends = { ring2: ['a', 'b'], ring3: ['a', 'b', 'c'] }): Promise<ReshardWorld> {
    const folder = await LogFolder.make()
    const world = new ReshardWorld(folder, await folder.open(), backends, PARTITIONS)
    await world.put({})
    return world
  }

  /** Starts it, and waits until its view has a generation. */
  override async process(options: HostedOptions = {}): Promise<TestProcess> {
    const process = await this.start({ ...options, config: { create: false, ...options.config }, works: false })
    const { coordination, hosted, stores } = process
    const view = hosted.live
    await view.known()
    // From here on a command can be asked for.
    await until(() => void coordination.presence())
    const pipelines: ViewPipeline[] = []
    const close = async (): Promise<void> => {
      for (const pipeline of pipelines) await pipeline.stop()
      await process.close()
    }
    this.ending.push(close)
    const ordersBy = (asked: OrdersOptions['coordination']): Orders =>
      new Orders({
        coordination: asked,
        log: this.log,
        backends: () => stores.shards(),
        openStore: (name, shards) => stores.open(name, shards),
        logger: quiet,
      })
    const orders = ordersBy(coordination)
    return {
      ...process,
      view,
      ordersBy,
      close,
      ask: (verb, request = {}) => orders.reshard(view, verb, { dryRun: false, force: [], ...request }, AbortSignal.timeout(15_000)),
      fold: async number => {
        const live = process.live(number)
        const { rules } = await hosted.rules.hold(live)
        const pipeline = new ViewPipeline({
          ...(await live.connected()),
          rules,
          metrics: new Metrics('test'),
          logger: quiet,
          applied: () => undefined,
          mayOpen: async () => true,
          stopped: error => live.stop(error),
          failed: error => this.bugs.push(error),
        })
        pipelines.push(pipeline)
        await pipeline.start()
        return pipeline
      },
      canRead: number =>
        until(() => {
          const why = process.live(number).unreadable()
          if (why !== undefined) throw why
        }),
    }
  }
}
