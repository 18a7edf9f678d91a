import { join } from 'node:path'
import type { Verbs, VerifyRequest } from './admin/verbs.ts'
import type { Connected, LiveView } from './generations/live-view.ts'
import { LogfoldError } from './model/errors.ts'
import { generationName } from './model/generation.ts'
import type { Topic } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { VerifyStatus } from './model/verify-status.ts'
import type { ViewBackend } from './model/view-backend.ts'
import type { DeadLetters } from './pipeline/dead-letters.ts'
import type { FoldRules } from './pipeline/fold.ts'
import { type Replayed, replay, Verify } from './verify/verify.ts'

/** Shorter than a client waits: the log may have to be read from the letter to its end. */
const REPLAY_MS = 30_000
const DROP_MS = 10_000

export interface VerbsOptions {
  readonly views: ReadonlyMap<string, { readonly view: LiveView<DeadLetters>; readonly backend: ViewBackend }>
  readonly rulesOf: (view: LiveView<DeadLetters>, topic: Topic) => FoldRules
  /** Where verify keeps what it knows. */
  readonly dataDir: string
  readonly logger: Logger
}

interface WritableView {
  readonly view: LiveView<DeadLetters>
  readonly backend: ViewBackend
  readonly connected: Connected<DeadLetters>
  readonly logger: Logger
}

/** What this process does with its views when it is asked. */
export class ViewVerbs implements Verbs {
  readonly #options: VerbsOptions
  readonly #verifies = new Map<string, Verify>()
  readonly #closing = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(options: VerbsOptions) {
    this.#options = options
  }

  async verify(name: string, request: VerifyRequest): Promise<VerifyStatus> {
    const parts = this.#writable(name)
    this.#refuseWhenClosing()
    const verify = this.#verifies.get(name) ?? this.#makeVerify(parts)
    this.#verifies.set(name, verify)
    return verify.start(request)
  }

  verifyStatus(name: string): VerifyStatus | undefined {
    return this.#verifies.get(name)?.status()
  }

  async cancelVerify(name: string): Promise<VerifyStatus | undefined> {
    return await this.#verifies.get(name)?.cancel()
  }

  async replay(name: string, letter: string): Promise<Replayed & { readonly letter: string }> {
    const { view, backend, connected, logger } = this.#writable(name)
    const { log, topic, generation, deadLetters } = connected
    const options = { log, topic, generation, backend, deadLetters, logger, rules: this.#options.rulesOf(view, topic) }
    const late = new LogfoldError(
      'view-unavailable',
      `${letter} was not replayed within ${REPLAY_MS / 1000} s: the store or the log does not answer, or is not that far yet, or there is too much behind its record to be read in that time`,
      {
        remedy: `It may be repeated. See what is away: logfold status ${name}`,
      },
    )
    return { letter, ...(await this.#within(REPLAY_MS, late, signal => replay(options, letter, signal))) }
  }

  async drop(name: string, letter: string): Promise<{ readonly letter: string; readonly kind: 'dropped' }> {
    const { deadLetters } = this.#view(name).view.source()
    const late = new LogfoldError('log-unavailable', `The log has not taken it within ${DROP_MS / 1000} s that ${letter} is dropped`, {
      remedy: 'It may be repeated.',
    })
    await this.#within(DROP_MS, late, signal => deadLetters.drop(letter, signal))
    return { letter, kind: 'dropped' }
  }

  /** Takes no more, and settles when nothing is under way. To be called while log and stores are open. */
  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#verifies.values()].map(verify => verify.cancel()))
    await Promise.allSettled(this.#underWay)
  }

  #makeVerify({ view, backend, connected, logger }: WritableView): Verify {
    const { log, topic, generation } = connected
    const { dataDir, rulesOf } = this.#options
    const path = join(dataDir, `verify-${generationName(generation)}.sqlite`)
    return new Verify({ log, topic, generation, backend, rules: rulesOf(view, topic), logger, path })
  }

  /** @throws view-stopped: a view that was stopped for safety writes nothing, and verify would wait for it for ever. */
  #writable(name: string): WritableView {
    const { view, backend } = this.#view(name)
    if (view.stopped !== undefined) throw view.stopped
    return { view, backend, connected: view.source(), logger: this.#options.logger.child({ view: name }) }
  }

  #view(name: string): { readonly view: LiveView<DeadLetters>; readonly backend: ViewBackend } {
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
