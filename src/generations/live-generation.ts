import { keptFor } from '../model/bounded.ts'
import { isAnswer, LogfoldError } from '../model/errors.ts'
import { type Generation, generationName } from '../model/generation.ts'
import { Growth } from '../model/growth.ts'
import type { Log } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { Offset } from '../model/record.ts'
import type { ViewBackend } from '../model/view-backend.ts'
import { type ClosableDeadLetters, type Connected, connect, endOffsetsOf, type OpenDeadLetters, type OpenedStore } from './connected.ts'
import { generationOf } from './definition.ts'
import { type Health, ShardHealth } from './shard-health.ts'
import type { GenerationState } from './state.ts'
import { isForeign, unanswering, unreadable, whyNone } from './unreadable.ts'
import type { Serving } from './view.ts'

const RETRY_MS = 1_000
/** How far a fold is may be told by where the log ended then. */
const ENDS_AGE_MAX_MS = 1_000
/** Lists and feeds of a generation that leaves are cut off then. */
const CUT_MS = 60_000

export interface LiveGenerationOptions<out Letters extends ClosableDeadLetters = ClosableDeadLetters> {
  readonly view: string
  readonly controlTopicId: string
  readonly state: GenerationState
  /** Before the names of groups and of our own topics. */
  readonly namespace: string
  /** Of our own topics, where they are to be made. */
  readonly replication: number
  readonly log: Log
  /** What becomes of reads of a shard that fell behind. */
  readonly whenBehind: 'refuse' | 'serve'
  /** Connects exactly these shards. @throws backend-unknown where the config has no address of one */
  readonly openStore: (backend: string, shards: readonly string[]) => Promise<OpenedStore>
  readonly openDeadLetters: OpenDeadLetters<Letters>
  readonly logger: Logger
  /** What is known of it here may be another. */
  readonly changed: () => void
  /** Somebody is told that a shard vouches for so much. */
  readonly told: (vouched: readonly Offset[]) => void
  /** A bug was met, in the code of the log or the store: the process should end. */
  readonly failed: (error: unknown) => void
}

/** What a process knows of a generation: its store and its topic, once they are connected, and the health of each shard. */
export class LiveGeneration<out Letters extends ClosableDeadLetters = ClosableDeadLetters> {
  readonly generation: Generation
  /** That folds it. */
  readonly group: string
  readonly #options: LiveGenerationOptions<Letters>
  readonly #closing = new AbortController()
  readonly #connected = Promise.withResolvers<void>()
  readonly #ending = new AbortController()
  /** It has left for so long that nobody should answer from it any more. */
  readonly ending: AbortSignal = this.#ending.signal
  readonly #growth = new Growth()
  readonly #running: Promise<void>
  #state: GenerationState
  #cut: NodeJS.Timeout | undefined
  #store: OpenedStore | undefined
  #source: Connected<Letters> | LogfoldError
  #shards: readonly ShardHealth[] = []
  #stop: LogfoldError | undefined
  #held = 0

  constructor(options: LiveGenerationOptions<Letters>) {
    const { view, state, controlTopicId, namespace } = options
    this.#options = options
    this.#state = state
    this.generation = generationOf(view, state, controlTopicId)
    this.group = `${namespace}.${generationName(this.generation)}`
    this.#source = new LogfoldError('log-unavailable', `The topic ${state.pinned.topic} is not known yet`, { retryAfterMs: RETRY_MS })
    this.#connected.promise.catch(() => undefined)
    this.update(state)
    this.#running = this.#run().catch(options.failed)
  }

  get number(): number {
    return this.#state.number
  }

  /** As of the commands that are folded. */
  get state(): GenerationState {
    return this.#state
  }

  /** What its shards are; undefined until they are connected. */
  get backend(): ViewBackend | undefined {
    return this.#store?.backend
  }

  /** Requests that are answered from it now. */
  get held(): number {
    return this.#held
  }

  /** Why folding it was stopped for safety, here; or what its store holds instead. */
  get stopped(): LogfoldError | undefined {
    return this.#stop ?? this.#shards.map(({ now }) => (now.kind === 'away' ? now.error : undefined)).find(isForeign)
  }

  update(state: GenerationState): void {
    this.#state = state
    if (state.role === 'leaving') this.#cut ??= setTimeout(() => this.#ending.abort(), CUT_MS).unref()
  }

  /** Settles when store and topic are known. @throws closed */
  async connected(): Promise<Connected<Letters>> {
    await this.#connected.promise
    return this.source()
  }

  /** @throws why it isn't connected: backend-unknown, log-unavailable, topic-missing, topic-mismatch */
  source(): Connected<Letters> {
    if (this.#source instanceof LogfoldError) throw this.#source
    return this.#source
  }

  /** What each shard is like, by its name; without any before it is connected. */
  health(): ReadonlyMap<string, Health> {
    return new Map(this.#shards.map(({ shard, now }) => [shard, now]))
  }

  /** For requests, once any of its shards can be read. @throws why none can */
  serving(): Serving {
    const source = this.source()
    const { generation, backend, reader, deadLetters } = source
    if (!this.#shards.some(({ now }) => now.kind === 'up' || now.kind === 'behind')) throw this.#stop ?? whyNone(this.generation.view, this.#shards)
    return {
      generation,
      backend,
      reader,
      deadLetters,
      endOffsets: () => endOffsetsOf(source),
      ending: this.ending,
      hold: () => this.#hold(),
      assess: names => this.#assess(names),
      saw: (shard, vouched) => this.#saw(shard, vouched),
      doubt: error => this.#doubt(error),
    }
  }

  /** Why not every shard can be read, as of the last looks; undefined where all can. */
  unreadable(): LogfoldError | undefined {
    if (this.#source instanceof LogfoldError) return this.#source
    const { view } = this.generation
    if (this.#shards.length === 0) return unreadable(view, '', { kind: 'unknown' })
    const shard = this.#shards.find(({ now }) => now.kind !== 'up')
    return shard === undefined ? undefined : unreadable(view, shard.shard, shard.now)
  }

  /** What all shards vouched for when they last answered, one a partition; undefined until each has. */
  vouched(): readonly Offset[] | undefined {
    const each = this.#shards.map(shard => shard.vouched)
    if (each.length === 0 || !each.every(vouched => vouched !== undefined)) return undefined
    return Array.from({ length: this.generation.partitions }, (_, partition) => Math.min(...each.map(vouched => vouched[partition] ?? 0)))
  }

  /** How fast that grows: offsets a second, over the last seconds. */
  perSecond(): number {
    return this.#growth.perSecond()
  }

  /** All shards are looked at now, rather than within the second. */
  look(): void {
    for (const shard of this.#shards) shard.doubt()
  }

  /** Folding is stopped for safety. What is there goes on being read. What came first stays. */
  stop(error: LogfoldError): void {
    if (this.#stop !== undefined) return
    // Never the table's own words for what fails again, which speak of the request.
    const remedy = error.remedy ?? "Put right what the worker's log says, and start logfold again"
    this.#options.logger.error('The view was stopped for safety', { code: error.code, reason: error.message, remedy, cause: error.cause })
    this.#stop = new LogfoldError('view-stopped', error.message, { cause: error, remedy })
    this.#options.changed()
  }

  async close(): Promise<void> {
    clearTimeout(this.#cut)
    this.#ending.abort()
    this.#closing.abort()
    this.look()
    this.#connected.reject(new LogfoldError('closed', `The generation ${generationName(this.generation)} was closed`))
    await this.#running
    if (!(this.#source instanceof LogfoldError)) await this.#source.deadLetters.close()
    await this.#store?.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    const connected = await this.#connect(signal)
    if (connected === undefined) return
    const { reader } = connected
    const endOffsets = keptFor(ENDS_AGE_MAX_MS, () => endOffsetsOf(connected))
    const options = { reader, signal, looked: () => this.#looked(), endOffsets }
    this.#shards = connected.backend.shards.map(shard => new ShardHealth(shard, options))
    await Promise.all(this.#shards.map(shard => shard.watch()))
  }

  #looked(): void {
    const vouched = this.vouched()
    if (vouched !== undefined) this.#growth.at(vouched.reduce((sum, position) => sum + position, 0))
    this.#options.changed()
  }

  /** Asks the config for the store, and the log for the topic, until both are there; what keeps them is what requests are told meanwhile. */
  async #connect(signal: AbortSignal): Promise<Connected<Letters> | undefined> {
    while (!signal.aborted) {
      try {
        const connected = await this.#open()
        this.#source = connected
        this.#connected.resolve()
        this.#options.changed()
        return connected
      } catch (error) {
        if (!isAnswer(error)) throw error
        const known = this.#source instanceof LogfoldError && this.#source.message === error.message
        this.#source = error
        const { logger } = this.#options
        const waits = this.#store === undefined ? 'The view waits for its store' : 'The view waits for its topic'
        if (!known) logger.warn(waits, { code: error.code, cause: error.message, remedy: error.remedy })
        await pause(RETRY_MS, signal)
      }
    }
    return undefined
  }

  async #open(): Promise<Connected<Letters>> {
    const { openStore } = this.#options
    const { pinned } = this.#state
    this.#store ??= await openStore(pinned.backend, pinned.shards)
    const connecting = { ...this.#options, pinned, generation: this.generation, group: this.group, backend: this.#store.backend }
    return await connect(connecting, remade => this.stop(remade))
  }

  #hold(): () => void {
    this.#held++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#held--
      // Of what serves nothing depends on it.
      if (this.#held === 0 && this.#state.role !== 'serving') this.#options.changed()
    }
  }

  #assess(names: readonly string[]): 'current' | 'stale' {
    let assessed: 'current' | 'stale' = 'current'
    for (const { shard, now } of this.#shards) {
      if (now.kind !== 'behind' || !names.includes(shard)) continue
      if (this.#options.whenBehind === 'refuse') throw unreadable(this.generation.view, shard, now)
      assessed = 'stale'
    }
    return assessed
  }

  #saw(name: string, vouched: readonly Offset[]): void {
    this.#shards.find(({ shard }) => shard === name)?.saw(vouched)
    this.#options.told(vouched)
  }

  #doubt(error: LogfoldError): LogfoldError {
    this.look()
    const { view } = this.generation
    const folding = this.#shards.find(({ now }) => now.kind === 'folding')
    if (error.code === 'view-folding' && folding !== undefined) return unreadable(view, folding.shard, folding.now)
    return error.code === 'view-unavailable' ? unanswering(`A shard of ${view}`, error) : error
  }
}
