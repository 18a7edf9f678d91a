import type { Verbs, VerifyRequest } from './admin/verbs.ts'
import type { Connected } from './generations/connected.ts'
import type { LiveGeneration } from './generations/live-generation.ts'
import type { HostedView } from './hosted-view.ts'
import { LogfoldError } from './model/errors.ts'
import type { Logger } from './model/logger.ts'
import type { ReloadAnswer } from './model/reload.ts'
import type { ReshardAnswer, ReshardRequest, ReshardVerb } from './model/reshard.ts'
import type { VerifyStatus } from './model/verify-status.ts'
import type { ViewStatus } from './model/view-status.ts'
import type { DeadLetters } from './pipeline/dead-letters.ts'
import type { Reloading } from './reloading.ts'
import type { Orders } from './reshard/orders.ts'
import { type Replayed, replay } from './verify/verify.ts'

/** Shorter than a client waits: the log may have to be read from the letter to its end. */
const REPLAY_MS = 30_000
const DROP_MS = 10_000
/** Knowing who lives may take 10 s. */
const ORDER_MS = 30_000

export interface VerbsOptions {
  readonly views: ReadonlyMap<string, HostedView>
  readonly orders: Orders
  readonly reloading: Reloading
  readonly statusOf: (view: HostedView) => Promise<ViewStatus>
  readonly logger: Logger
}

interface Writable {
  readonly view: HostedView
  readonly live: LiveGeneration<DeadLetters>
  readonly connected: Connected<DeadLetters>
}

/** What this process does with its views when it is asked. */
export class ViewVerbs implements Verbs {
  readonly #options: VerbsOptions
  readonly #closing = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(options: VerbsOptions) {
    this.#options = options
  }

  async status(name: string): Promise<ViewStatus> {
    return await this.#options.statusOf(this.#view(name))
  }

  async verify(name: string, request: VerifyRequest): Promise<VerifyStatus> {
    const { view, live } = this.#writable(name)
    this.#refuseWhenClosing()
    return view.verifyOf(live).start(request)
  }

  verifyStatus(name: string): VerifyStatus | undefined {
    const view = this.#view(name)
    const { current } = view.live
    return current === undefined ? undefined : view.verifyStatus(current)
  }

  async cancelVerify(name: string): Promise<VerifyStatus | undefined> {
    const { view, live } = this.#writable(name)
    return view.verifyStatus(live) === undefined ? undefined : await view.verifyOf(live).cancel()
  }

  async replay(name: string, letter: string): Promise<Replayed & { readonly letter: string }> {
    const { view, live, connected } = this.#writable(name)
    const { rules, release } = await view.rules.hold(live)
    const options = { ...connected, logger: this.#options.logger.child({ view: name }), rules }
    const late = new LogfoldError(
      'view-unavailable',
      `${letter} was not replayed within ${REPLAY_MS / 1000} s: the store or the log does not answer, or is not that far yet, or there is too much behind its record to be read in that time`,
      {
        remedy: `It may be repeated. See what is away: logfold status ${name}`,
      },
    )
    try {
      return { letter, ...(await this.#within(REPLAY_MS, late, signal => replay(options, letter, signal))) }
    } finally {
      await release()
    }
  }

  async drop(name: string, letter: string): Promise<{ readonly letter: string; readonly kind: 'dropped' }> {
    const { deadLetters } = this.#view(name).live.source()
    const late = new LogfoldError('log-unavailable', `The log has not taken it within ${DROP_MS / 1000} s that ${letter} is dropped`, {
      remedy: 'It may be repeated.',
    })
    await this.#within(DROP_MS, late, signal => deadLetters.drop(letter, signal))
    return { letter, kind: 'dropped' }
  }

  async reshard(name: string, verb: ReshardVerb, request: ReshardRequest): Promise<ReshardAnswer> {
    const view = this.#view(name)
    const late = new LogfoldError(
      'log-unavailable',
      `It was not found out within ${ORDER_MS / 1000} s whether the command fits: the log or a store does not answer`,
      {
        remedy: `See what is away: logfold status ${name}`,
      },
    )
    const answer = await this.#within(ORDER_MS, late, signal => this.#options.orders.reshard(view.live, verb, request, signal))
    return { ...answer, status: await this.status(name) }
  }

  async reload(): Promise<ReloadAnswer> {
    this.#refuseWhenClosing()
    return await this.#options.reloading.reload()
  }

  /** Takes no more, and settles when nothing is under way. To be called while log and stores are open. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#underWay)
  }

  /** @throws view-stopped: a view that was stopped for safety writes nothing, and verify would wait for it for ever. */
  #writable(name: string): Writable {
    const view = this.#view(name)
    if (view.live.stopped !== undefined) throw view.live.stopped
    const connected = view.live.source()
    const live = view.live.current
    if (live === undefined) throw new LogfoldError('internal', `The view ${name} has a source, and no generation`)
    return { view, live, connected }
  }

  #view(name: string): HostedView {
    const found = this.#options.views.get(name)
    if (found === undefined) throw new LogfoldError('no-such-view', `There is no view ${name}`)
    return found
  }

  #refuseWhenClosing(): void {
    if (this.#closing.signal.aborted) throw new LogfoldError('closing', 'The server is shutting down')
  }

  async #within<T>(ms: number, late: LogfoldError, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#refuseWhenClosing()
    const timeout = AbortSignal.timeout(ms)
    const working = work(AbortSignal.any([timeout, this.#closing.signal]))
    this.#underWay.add(working)
    try {
      return await working
    } catch (error) {
      if (error instanceof LogfoldError) throw error
      this.#refuseWhenClosing()
      throw timeout.aborted ? late : error
    } finally {
      this.#underWay.delete(working)
    }
  }
}
