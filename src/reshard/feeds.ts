import type { Connected } from '../generations/connected.ts'
import type { Coordination } from '../generations/coordination.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { orAborted } from '../model/bounded.ts'
import { isAnswer, isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import type { DeadLetters } from '../pipeline/dead-letters.ts'
import { ViewPipeline } from '../pipeline/view-pipeline.ts'
import { type Fullness, watchFullness } from './fullness.ts'
import type { GenerationRules } from './rules.ts'

/** Shorter than anybody waits for a shard that is opened. */
const LEARN_MS = 5_000

export interface FeedsOptions {
  readonly view: LiveView<DeadLetters>
  readonly coordination: Coordination
  readonly rules: GenerationRules
  readonly metrics: Metrics
  readonly logger: Logger
  /** A bug was met, or membership of a group is gone for good: the process should end. */
  readonly failed: (error: unknown) => void
}

interface Opened {
  readonly pipeline: ViewPipeline
  /** Of the rules that it folds by. */
  readonly release: () => Promise<void>
}

interface Feed {
  readonly live: LiveGeneration<DeadLetters>
  opened: Opened | undefined
  /** Its servers are nearly full; so long it is not folded on. */
  fullness: Fullness | undefined
  readonly ending: AbortController
  readonly started: Promise<void>
}

/** Folds, in this worker, all generations of a view that are fed: each by a pipeline and a group of its own. */
export class Feeds {
  readonly #options: FeedsOptions
  readonly #feeds = new Map<string, Feed>()
  readonly #ending = new Set<Promise<void>>()
  readonly #forget: () => void
  /** Uid of what this process had paused, as deletes would be missed → the shards that were folded anew since. */
  readonly #overdue = new Map<string, Set<string>>()
  #closed = false

  constructor(options: FeedsOptions) {
    this.#options = options
    this.#forget = options.view.onChange(() => this.#follow())
    this.#follow()
  }

  pipeline(number: number): ViewPipeline | undefined {
    return this.#feed(number)?.opened?.pipeline
  }

  /** Why a generation isn't folded on here, though nobody paused it. */
  heldUp(number: number): string | undefined {
    return this.#feed(number)?.fullness?.why()
  }

  /** Settles once nothing is written any more. */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    for (const feed of this.#feeds.values()) this.#end(feed)
    await Promise.all(this.#ending)
  }

  #feed(number: number): Feed | undefined {
    return [...this.#feeds.values()].find(({ live }) => live.number === number)
  }

  #follow(): void {
    if (this.#closed) return
    const { view, coordination } = this.#options
    const over = coordination.ended !== undefined
    for (const live of view.generations) {
      const fed = !over && live.state.role !== 'leaving' && live.stopped === undefined
      const { uid } = live.generation
      const feed = this.#feeds.get(uid)
      if (feed === undefined && fed) this.#feeds.set(uid, this.#start(live))
      else if (feed !== undefined) this.#steer(feed)
    }
    for (const feed of this.#feeds.values()) {
      const { state } = feed.live
      // One that was stopped for safety keeps its pipeline, which does nothing any more, and still says where it was.
      if (over || view.generation(feed.live.number) !== feed.live || state.role === 'leaving') this.#end(feed)
    }
  }

  #start(live: LiveGeneration<DeadLetters>): Feed {
    const ending = new AbortController()
    const feed: Feed = {
      live,
      opened: undefined,
      fullness: undefined,
      ending,
      started: this.#open(live, ending.signal).then(opened => this.#run(feed, opened)),
    }
    feed.started.catch(error => {
      // It was taken away while this process was about to begin: its dead letters were closed before they were read.
      if (!ending.signal.aborted || !isLogfoldError(error, 'closed')) this.#options.failed(error)
    })
    return feed
  }

  async #open(live: LiveGeneration<DeadLetters>, signal: AbortSignal): Promise<Opened | undefined> {
    const { rules, view, metrics, logger, failed } = this.#options
    // It may never be, as while a server is gone; and whoever ends the feed waits for this.
    const connected = await orAborted(live.connected(), signal).catch(error => {
      if (signal.aborted || isLogfoldError(error, 'closed')) return undefined
      throw error
    })
    if (connected === undefined || signal.aborted || live.stopped !== undefined) return undefined
    const held = await rules.hold(live).catch(error => {
      live.stop(
        new LogfoldError('view-stopped', `Its projection cannot be run here: ${messageOf(error)}`, {
          remedy: 'Start a version of logfold that can',
          cause: error,
        }),
      )
    })
    if (held === undefined) return undefined
    if (signal.aborted) {
      await held.release()
      return undefined
    }
    const pipeline = new ViewPipeline({
      ...connected,
      rules: held.rules,
      metrics,
      logger: logger.child({ generation: live.number }),
      applied: shard => view.applied(shard),
      mayOpen: (shard, why) => this.#mayOpen(live, connected, shard, why),
      // A bug is nothing to go on with; whoever starts the process again has the log and the checkpoints.
      stopped: error => (error.code === 'internal' ? failed(error) : live.stop(error)),
      failed,
    })
    return { pipeline, release: held.release }
  }

  async #run(feed: Feed, opened: Opened | undefined): Promise<void> {
    if (opened === undefined) return
    feed.opened = opened
    if (feed.live.state.role === 'next') {
      const { backend } = feed.live.source()
      const { logger, failed } = this.#options
      feed.fullness = watchFullness({ backend, logger, failed, changed: () => this.#steer(feed) }, feed.ending.signal)
    }
    this.#steer(feed)
    await opened.pipeline.start()
  }

  #steer({ live, opened, fullness }: Feed): void {
    const { paused, rate, role } = live.state
    opened?.pipeline.steer({ paused: paused || (role === 'next' && fullness?.why() !== undefined), rate })
  }

  #end(feed: Feed): void {
    this.#feeds.delete(feed.live.generation.uid)
    feed.ending.abort()
    const ended = Promise.allSettled([feed.opened?.pipeline.stop(), feed.started])
      // It may have come to it only then.
      .then(() => feed.opened?.pipeline.stop())
      .then(() => feed.opened?.release())
      .finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
  }

  /**
   * Only what is to be there is opened, as of all commands up to now: what was dropped would come back. And a build that may have missed deletes
   * isn't folded anew by itself: it would miss them again; it is paused, and folded anew once somebody says that it should go on.
   */
  async #mayOpen(
    { generation: { uid, view, number } }: LiveGeneration<DeadLetters>,
    { topic }: Connected<DeadLetters>,
    shard: string,
    why: 'lost' | 'anew',
  ): Promise<boolean> {
    const control = this.#options.coordination.control()
    const signal = AbortSignal.timeout(LEARN_MS)
    await control.upToDate(signal).catch(error => {
      throw isAnswer(error) ? error : new LogfoldError('log-unavailable', 'The control topic is not read to its end in time', { cause: error })
    })
    const state = control.state(view).generations.find(each => each.number === number)
    if (state === undefined || state.role === 'leaving') return false
    if (why === 'lost' || state.role !== 'next') return !state.paused
    const anew = this.#overdue.get(uid)
    // A second time, the time that it was given doesn't do either.
    if (anew !== undefined && !anew.has(shard)) {
      if (!state.paused) anew.add(shard)
      return !state.paused
    }
    const text = `Shard ${shard} took so long that deletes may be gone from the topic ${topic.name} before it came to them. Resumed, it is folded anew: let the topic keep its deletes for longer first (delete.retention.ms), or build faster`
    const sent = await control.send({ command: 'steer', view, generation: number, paused: true, why: text }, signal)
    // Where another command came first, it is not paused yet.
    if (sent.kind === 'accepted') this.#overdue.set(uid, new Set())
    return false
  }
}
