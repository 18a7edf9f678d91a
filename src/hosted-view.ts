import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ViewConfig } from './config/config.ts'
import { compileJsonSchema } from './config/json-schema.ts'
import type { Coordination } from './generations/coordination.ts'
import type { LiveGeneration } from './generations/live-generation.ts'
import { LiveView } from './generations/live-view.ts'
import type { PresenceRecord } from './generations/presence-record.ts'
import type { Metrics } from './metrics/metrics.ts'
import { LogfoldError } from './model/errors.ts'
import { failPoint } from './model/fail-point.ts'
import { generationName } from './model/generation.ts'
import type { Log } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { VerifyStatus } from './model/verify-status.ts'
import { DeadLetters } from './pipeline/dead-letters.ts'
import { compileProjection } from './projection/compile.ts'
import { ProjectionRunner } from './projection/runner.ts'
import { Feeds } from './reshard/feeds.ts'
import { Keeper } from './reshard/keeper.ts'
import { GenerationRules } from './reshard/rules.ts'
import type { Stores } from './stores.ts'
import { Verify } from './verify/verify.ts'

export interface HostedViewOptions {
  readonly config: ViewConfig
  /** That the config has addresses for, of the view's backend. */
  readonly shards: readonly string[]
  readonly namespace: string
  readonly dataDir: string
  readonly log: Log
  readonly coordination: Coordination
  readonly stores: Stores
  readonly metrics: Metrics
  readonly logger: Logger
  /** A bug was met, or what can't be had again is gone: the process should end. */
  readonly failed: (error: unknown) => void
}

/** All that a process has of one view: what it reads it from, and where it is a worker, what folds it and keeps it. */
export class HostedView {
  readonly live: LiveView<DeadLetters>
  readonly rules: GenerationRules
  readonly #options: HostedViewOptions
  /** By the generation's uid. */
  readonly #verifies = new Map<string, { readonly live: LiveGeneration<DeadLetters>; readonly verify: Verify; readonly path: string }>()
  #feeds: Feeds | undefined
  #keeper: Keeper | undefined
  #said = ''
  /** Numbers of the generations, as of the last look for scratches that nobody needs any more. */
  #swept = ''

  constructor(options: HostedViewOptions) {
    this.#options = options
    const { config, shards, namespace, log, coordination, stores, metrics, logger, failed } = options
    const { view: name, whenBehind, partitioner } = config
    const compileSchema = (document: unknown): ReturnType<typeof compileJsonSchema>['check'] => compileJsonSchema(document).check
    this.live = new LiveView<DeadLetters>({
      definition: { ...config, shards },
      compileSchema,
      whenBehind,
      namespace,
      log,
      coordination,
      openStore: (backend, pinned) => stores.open(backend, pinned),
      openDeadLetters: (at, letters, of) => new DeadLetters(at, letters, of, logger),
      logger,
      switched: tookMs => {
        metrics.switchDuration.observe({ view: name }, tookMs / 1_000)
        failPoint('view/went-over')
      },
      failed,
    })
    this.rules = new GenerationRules({
      partitioner,
      compileSchema,
      openProjector: async ({ format, projection }) => {
        const loaded = await compileProjection(projection, name)
        if (loaded.kind === 'unusable') throw new LogfoldError('config-invalid', loaded.detail)
        return new ProjectionRunner({ script: loaded.script, name, format, logger })
      },
    })
    this.live.onChange(() => this.#tell())
  }

  get name(): string {
    return this.live.name
  }

  get feeds(): Feeds | undefined {
    return this.#feeds
  }

  /** Whether this process does what the view's commands ask for. */
  get keeps(): boolean {
    return this.#keeper?.keeps ?? false
  }

  /** From now on this process is one of its workers. */
  work(): void {
    const { log, coordination, namespace, metrics, logger, failed } = this.#options
    const { live: view, rules } = this
    this.#feeds = new Feeds({ view, coordination, rules, metrics, logger, failed })
    this.#keeper = new Keeper({ view, coordination, log, namespace, logger, failed, verifyOf: live => this.verifyOf(live) })
  }

  /** @throws what keeps the generation from being known */
  verifyOf(live: LiveGeneration<DeadLetters>): Verify {
    const { uid } = live.generation
    const { logger } = this.#options
    const { log, topic, generation, backend } = live.source()
    const known = this.#verifies.get(uid)
    if (known !== undefined) return known.verify
    const path = this.#scratchOf(live)
    const verify = new Verify({ log, topic, generation, backend, holdRules: () => this.rules.hold(live), logger, path })
    this.#verifies.set(uid, { live, verify, path })
    return verify
  }

  /** Of the one under way in this process, or the last. */
  verifyStatus({ generation }: Pick<LiveGeneration<DeadLetters>, 'generation'>): VerifyStatus | undefined {
    return this.#verifies.get(generation.uid)?.verify.status()
  }

  /** What the others are told of it. */
  says(): PresenceRecord['views'][string] {
    const { generations, current } = this.live
    return {
      canRead: generations.filter(each => each.unreadable() === undefined).map(({ number }) => number),
      reads: generations.filter(each => each === current || each.held > 0).map(({ number }) => number),
    }
  }

  /** Ends what writes, then what reads. To be called while log and stores are open. */
  async close(): Promise<void> {
    await this.#keeper?.close()
    await Promise.all([...this.#verifies.values()].map(({ verify }) => verify.cancel()))
    await this.#feeds?.close()
    await this.rules.close()
    await this.live.close()
  }

  /** Its file. Those of another namespace may have the same data folder, and views and numbers of the same name. */
  #scratchOf({ generation }: LiveGeneration<DeadLetters>): string {
    const { dataDir, namespace } = this.#options
    return join(dataDir, `verify-${namespace}.${generationName(generation)}.sqlite`)
  }

  #tell(): void {
    const said = JSON.stringify(this.says())
    if (said !== this.#said) this.#options.coordination.describedAnew()
    this.#said = said
    for (const [uid, { live, verify, path }] of this.#verifies) {
      if (this.live.generation(live.number) === live) continue
      this.#verifies.delete(uid)
      void verify.cancel().then(() => removeScratch(path))
    }
    const numbers = this.live.generations.map(({ number }) => number).join()
    if (numbers !== this.#swept) void this.#sweep()
    this.#swept = numbers
  }

  /** A generation may go in another life of the process than that in which it was verified. */
  async #sweep(): Promise<void> {
    const { dataDir, coordination, namespace } = this.#options
    if (coordination.ended !== undefined) return
    const { highest } = this.live.state()
    for (const file of await readdir(dataDir).catch(() => [])) {
      const [, name, digits = ''] = /^verify-(.+)@(\d+)\.sqlite$/.exec(file) ?? []
      const number = Number(digits)
      // One that is higher may have been made meanwhile.
      if (name === `${namespace}.${this.name}` && number <= highest && this.live.generation(number) === undefined)
        await removeScratch(join(dataDir, file))
    }
  }
}

/** With the files that SQLite keeps beside it. One that stays is in nobody's way. */
const removeScratch = (path: string): Promise<unknown> =>
  Promise.all(['', '-wal', '-shm', '-journal'].map(suffix => rm(path + suffix, { force: true }).catch(() => undefined)))
