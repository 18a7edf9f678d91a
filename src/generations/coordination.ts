import { isAnswer, LogfoldError, messageOf } from '../model/errors.ts'
import type { Log } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { Offset } from '../model/record.ts'
import { Control, openControlTopic } from './control.ts'
import { Presence, type PresenceOptions } from './presence.ts'
import type { Living } from './roll.ts'

const RETRY_MS = 1_000

export interface CoordinationOptions {
  readonly log: Log
  readonly namespace: string
  /** Of the topics, where they are to be made. */
  readonly replication: number
  /** Host and process, for people. */
  readonly by: string
  /** What this process is now, for the others. */
  readonly describe: PresenceOptions['describe']
  readonly logger: Logger
  /** The clock of who lives, for tests. */
  readonly nowMs?: PresenceOptions['nowMs']
  /** A bug was met: the process should end. */
  readonly failed: (error: unknown) => void
}

/** What a process has of the topics that all processes share: the commands, folded, and who lives. It waits out a log that is away. */
export class Coordination {
  readonly #options: CoordinationOptions
  readonly #closing = new AbortController()
  readonly #listeners = new Set<(view: string) => void>()
  readonly #ready = Promise.withResolvers<Control>()
  readonly #opening: Promise<void>
  #stop: LogfoldError | undefined
  #presence: Presence | undefined
  #control: Control | undefined
  #problem = new LogfoldError('log-unavailable', 'The control topic is not known yet', { retryAfterMs: RETRY_MS })

  constructor(options: CoordinationOptions) {
    this.#options = options
    this.#ready.promise.catch(() => undefined)
    this.#opening = this.#open().catch(options.failed)
  }

  /** Settles once all is folded that was in the control topic at the start, and never before. @throws closed */
  ready(): Promise<Control> {
    return this.#ready.promise
  }

  /** @throws why it isn't known: log-unavailable; topic-mismatch, and whatever else ended the reading of it */
  control(): Control {
    if (this.#control === undefined) throw this.#problem
    return this.#control
  }

  /** Why the commands aren't known; undefined where they are. */
  get problem(): LogfoldError | undefined {
    return this.#control === undefined ? this.#problem : undefined
  }

  /** How far this process has folded the commands: the next offset. */
  get folded(): Offset {
    return this.#control?.position ?? 0
  }

  /** Why what is known of the views may be out of date for good: a safety stop of them all. */
  get ended(): LogfoldError | undefined {
    return this.#stop
  }

  /** @throws log-unavailable */
  presence(): Presence {
    if (this.#presence !== undefined) return this.#presence
    throw new LogfoldError('log-unavailable', 'The presence topic is not known yet', { retryAfterMs: RETRY_MS })
  }

  /** Who lives, as far as is known now; none while that isn't known. */
  living(): readonly Living[] {
    return this.#presence?.living() ?? []
  }

  /** Whether whoever isn't `living` may be taken for gone. */
  get knowsWhoLives(): boolean {
    return this.#presence?.isCertain ?? false
  }

  /** What this process would say of itself is another. */
  describedAnew(): void {
    this.#presence?.changed()
  }

  /** Calls back when the state of a view is another one, or can't be known any more. Returns the function that ends it. */
  onChange(listener: (view: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#ready.reject(new LogfoldError('closed', 'The control topic was closed'))
    await this.#opening
    await Promise.all([this.#presence?.close(), this.#control?.close()])
  }

  async #open(): Promise<void> {
    const { signal } = this.#closing
    const control = await this.#retrying(() => this.#openControl())
    if (control === undefined) return
    this.#control = control
    this.#ready.resolve(control)
    const { log, namespace, replication, describe, logger, nowMs } = this.#options
    const presence = await this.#retrying(() =>
      Presence.open({ log, namespace, replication, describe, logger, ...(nowMs === undefined ? {} : { nowMs }) }),
    )
    if (signal.aborted) await presence?.close()
    else this.#presence = presence
  }

  async #openControl(): Promise<Control> {
    const { log, namespace, replication, by, logger } = this.#options
    const topic = await openControlTopic(log, namespace, replication)
    const changed = (view: string): void => {
      for (const listener of this.#listeners) listener(view)
    }
    const control = new Control({ log, topic, by, logger, changed, ended: error => this.#ended(control, error) })
    try {
      await control.upToDate(this.#closing.signal)
      return control
    } catch (error) {
      await control.close()
      throw error
    }
  }

  /** Nobody acts on half a history: from here on the state of every view counts as unknown. */
  #ended(control: Control, error: unknown): void {
    if (!isAnswer(error)) {
      this.#options.failed(error)
      return
    }
    this.#problem = error
    if (this.#control !== control) return
    this.#control = undefined
    this.#stop = new LogfoldError('view-stopped', error.message, { cause: error, remedy: error.remedy })
    for (const view of control.views()) for (const listener of this.#listeners) listener(view)
  }

  /** Undefined once it was closed. @throws bugs */
  async #retrying<T>(open: () => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#closing
    let told = ''
    while (!signal.aborted) {
      try {
        return await open()
      } catch (error) {
        if (signal.aborted) return undefined
        if (!isAnswer(error)) throw error
        if (this.#control === undefined) this.#problem = error
        if (told !== error.message) this.#options.logger.warn('What the processes share cannot be opened; trying on', { cause: messageOf(error) })
        told = error.message
        await pause(RETRY_MS, signal)
      }
    }
    return undefined
  }
}
