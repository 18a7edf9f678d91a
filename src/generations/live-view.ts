import type { DeadLetterReader } from '../model/dead-letter.ts'
import { isAnswer, isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { SchemaCheck } from '../model/value.ts'
import type { ClosableDeadLetters, Connected } from './connected.ts'
import type { Control } from './control.ts'
import type { Coordination } from './coordination.ts'
import { definitionOf, type ViewDefinition } from './definition.ts'
import { makeFirst } from './first.ts'
import { LiveGeneration, type LiveGenerationOptions } from './live-generation.ts'
import type { Health } from './shard-health.ts'
import type { GenerationState, ViewState } from './state.ts'
import { Told } from './told.ts'
import type { Serving, View } from './view.ts'

const RETRY_MS = 1_000
/** How long a read waits to learn what serves by now. */
const LEARN_MS = 1_000
const LOOK_MS = 20

/** What every generation of the view gets. */
type Shared = 'namespace' | 'log' | 'whenBehind' | 'openStore' | 'openDeadLetters' | 'failed'

export interface LiveViewOptions<Letters extends ClosableDeadLetters> extends Pick<LiveGenerationOptions<Letters>, Shared> {
  /** As the config has it: by it the first generation is made, and the view is written. */
  readonly definition: ViewDefinition
  readonly compileSchema: (document: unknown) => SchemaCheck
  readonly coordination: Coordination
  readonly logger: Logger
  /** This process went over to another generation, that long after it learned that it serves. Milliseconds. */
  readonly switched?: (tookMs: number) => void
}

/**
 * What a process knows of a view: its generations, by the commands; and which of them it answers reads from. That is what serves, once it can be read
 * here, and every shard of it vouches for all that this process has told anybody; until then the one before.
 */
export class LiveView<out Letters extends ClosableDeadLetters = ClosableDeadLetters> implements View {
  readonly name: string
  readonly #options: LiveViewOptions<Letters>
  readonly #closing = new AbortController()
  readonly #listeners = new Set<(shard: string) => void>()
  readonly #watchers = new Set<() => void>()
  readonly #generations = new Map<number, LiveGeneration<Letters>>()
  readonly #ended = new Set<Promise<void>>()
  readonly #known = Promise.withResolvers<void>()
  readonly #running: Promise<void>
  #configured: ViewDefinition
  readonly #told = new Told()
  /** What reads are answered from. */
  #current: LiveGeneration<Letters> | undefined
  #schema: { readonly of: LiveGeneration<Letters>; readonly check: SchemaCheck | undefined } | undefined
  #problem = new LogfoldError('log-unavailable', 'What serves is not known yet', { retryAfterMs: RETRY_MS })
  #learning: Promise<void> | undefined
  #looking: NodeJS.Timeout | undefined
  /** When this process learned of what serves now. */
  #learnedMs = 0
  #forget: () => void = () => undefined

  constructor(options: LiveViewOptions<Letters>) {
    this.name = options.definition.view
    this.#configured = options.definition
    this.#options = options
    this.#known.promise.catch(() => undefined)
    this.#running = this.#run().catch(options.failed)
  }

  get definition(): ViewDefinition {
    return this.#current === undefined ? this.#configured : definitionOf(this.#configured, this.#current.state.pinned)
  }

  /** As the config has it. */
  get configured(): ViewDefinition {
    return this.#configured
  }

  /** The config was read again. What is served stays as it is. */
  reconfigure(definition: ViewDefinition): void {
    this.#configured = definition
  }

  get schema(): SchemaCheck | undefined {
    const of = this.#current
    if (of === undefined) return undefined
    if (this.#schema?.of !== of) {
      const { jsonSchema } = of.state.pinned
      this.#schema = { of, check: jsonSchema === undefined ? undefined : this.#options.compileSchema(jsonSchema) }
    }
    return this.#schema?.check
  }

  /** By their numbers; those that leave among them. None before they are known. */
  get generations(): readonly LiveGeneration<Letters>[] {
    return [...this.#generations.values()]
  }

  generation(number: number): LiveGeneration<Letters> | undefined {
    return this.#generations.get(number)
  }

  /** What reads are answered from here; undefined before it is known. */
  get current(): LiveGeneration<Letters> | undefined {
    return this.#current
  }

  /** What reads should be answered from, by the commands; undefined before they are known. */
  get target(): LiveGeneration<Letters> | undefined {
    return this.generations.find(({ state }) => state.role === 'serving')
  }

  /** As far as the commands are folded. @throws why that isn't known */
  state(): ViewState {
    return this.#options.coordination.control().state(this.name)
  }

  /** Settles once the view has a generation, as far as this process knows. @throws closed */
  known(): Promise<void> {
    return this.#known.promise
  }

  source(): Connected<Letters> {
    if (this.#current === undefined) throw this.#options.coordination.problem ?? this.#problem
    return this.#current.source()
  }

  deadLetters(): DeadLetterReader {
    return this.source().deadLetters
  }

  serving(): Serving {
    if (this.#current === undefined) throw this.#options.coordination.problem ?? this.#problem
    return this.#current.serving()
  }

  async movedOn(from: Serving | undefined): Promise<boolean> {
    this.#learning ??= this.#learn().finally(() => {
      this.#learning = undefined
    })
    await this.#learning
    return this.unready() === undefined && this.#current?.generation.uid !== from?.generation.uid
  }

  /** What each shard of what serves is like, by its name; without any before it is known. */
  health(): ReadonlyMap<string, Health> {
    return this.#current?.health() ?? new Map()
  }

  get stopped(): LogfoldError | undefined {
    return this.#options.coordination.ended ?? this.#current?.stopped
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

  onApplied(listener: (shard: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  applied(shard: string): void {
    for (const listener of this.#listeners) listener(shard)
  }

  /** Calls back when a generation came, went, or is known to be another than it was. Returns the function that ends it. */
  onChange(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#looking)
    this.#forget()
    this.#known.reject(new LogfoldError('closed', `The view ${this.name} was closed`))
    await this.#running
    await Promise.all([...this.generations.map(generation => generation.close()), ...this.#ended])
  }

  async #run(): Promise<void> {
    const { coordination, log } = this.#options
    const control = await coordination.ready().catch(error => {
      if (isLogfoldError(error, 'closed')) return undefined
      throw error
    })
    if (control === undefined || this.#closing.signal.aborted) return
    this.#forget = coordination.onChange(view => {
      if (view === this.name) this.#follow(control)
    })
    this.#follow(control)
    await makeFirst({ control, definition: () => this.#configured, log, waiting: why => this.#waiting(why) }, this.#closing.signal)
  }

  #waiting(why: LogfoldError): void {
    if (why.message !== this.#problem.message)
      this.#options.logger.warn('The view waits for its topic', { code: why.code, cause: why.message, remedy: why.remedy })
    this.#problem = why
  }

  /** The commands say something else than they did. */
  #follow(control: Control): void {
    if (this.#closing.signal.aborted) return
    const { generations, halted } = control.state(this.name)
    if (halted !== undefined)
      this.#options.logger.error('A later version of logfold is at work on this view: this one goes on with what it knows', { halted })
    for (const state of generations) {
      const known = this.#generations.get(state.number)
      if (known === undefined) this.#generations.set(state.number, this.#open(control, state))
      else known.update(state)
    }
    for (const [number, generation] of this.#generations) {
      if (generations.some(state => state.number === number)) continue
      this.#generations.delete(number)
      const ended = generation.close().finally(() => this.#ended.delete(ended))
      this.#ended.add(ended)
    }
    if (generations.length > 0) this.#known.resolve()
    this.#learnedMs = performance.now()
    this.#choose()
    if (this.target !== this.#current) this.target?.look()
  }

  #open(control: Control, state: GenerationState): LiveGeneration<Letters> {
    const { namespace, log, whenBehind, openStore, openDeadLetters, logger, failed } = this.#options
    return new LiveGeneration<Letters>({
      view: this.name,
      controlTopicId: control.topicId,
      state,
      namespace,
      replication: this.#configured.replication,
      log,
      whenBehind,
      openStore,
      openDeadLetters,
      logger: logger.child({ generation: state.number }),
      changed: () => this.#choose(),
      told: vouched => this.#told.tell(state.pinned.topicId, vouched),
      failed,
    })
  }

  /** Goes over to what serves, where that can be done. */
  #choose(): void {
    const { target } = this
    const current = this.#current
    if (isLogfoldError(current?.stopped?.cause, 'offset-out-of-range')) this.#told.forget()
    if (target !== undefined && target !== current && (current === undefined || this.#isGone(current) || this.#canFollow(target))) {
      this.#current = target
      this.#told.follow(target.generation.topicId)
      if (current !== undefined) {
        const tookMs = Math.round(performance.now() - this.#learnedMs)
        this.#options.logger.info('Reads are answered from another generation', { from: current.number, to: target.number, tookMs })
        this.#options.switched?.(tookMs)
      }
    }
    for (const watcher of this.#watchers) watcher()
  }

  /** It can't answer any more, so that nothing is lost by leaving it; or it shouldn't: it is fed no more, and stays while somebody reads it. */
  #isGone(current: LiveGeneration<Letters>): boolean {
    if (this.#generations.get(current.number) !== current) return true
    return current.state.role === 'leaving' && (current.ending.aborted || current.unreadable()?.code === 'view-folding')
  }

  #canFollow(target: LiveGeneration<Letters>): boolean {
    const vouched = target.vouched()
    if (target.unreadable() !== undefined || vouched === undefined) return false
    if (this.#told.isKeptBy(target.generation.topicId, vouched)) return true
    // Sooner than within the second, and no sooner: what is found leads here again.
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined
      target.look()
    }, LOOK_MS)
    return false
  }

  async #learn(): Promise<void> {
    const signal = AbortSignal.any([AbortSignal.timeout(LEARN_MS), this.#closing.signal])
    try {
      await this.#options.coordination.control().upToDate(signal)
      const { target } = this
      // What serves may have to be looked at first.
      while (target !== undefined && target !== this.#current && !signal.aborted) {
        target.look()
        await pause(LOOK_MS, signal)
      }
    } catch (error) {
      if (!signal.aborted && !isAnswer(error)) throw error
    }
  }
}
