import type { LiveGeneration } from '../generations/live-generation.ts'
import { isAnswer, messageOf } from '../model/errors.ts'
import type { Log, Membership } from '../model/log.ts'
import { pause } from '../model/pause.ts'
import type { DeadLetters } from '../pipeline/dead-letters.ts'
import { type Effect, type EffectParts, effects, hasNoAddress } from './effects.ts'

/** An effect that can't be had now is tried again after this. */
const LOOK_MS = 1_000
/** Right after something was done, or something changed, there may be more to do. */
const AGAIN_MS = 20

/** Its store isn't just on the way, and something is to be done there. */
const isOutOfReach = (live: LiveGeneration<DeadLetters>): boolean => hasNoAddress(live) && !live.state.forsaken

export interface KeeperOptions extends Omit<EffectParts, 'signal' | 'dropped'> {
  readonly log: Log
  /** Of the group that names the keeper. */
  readonly namespace: string
  /** A bug was met, or membership of the group is gone for good: the process should end. */
  readonly failed: (error: unknown) => void
}

/**
 * Does what the state of a view asks for, while this process is its keeper: the one to whom the group `<namespace>.<view>.keeper` gives the control
 * topic's partition. It takes part in that while the config has addresses for all generations. Should two think so for a moment, nothing is done
 * twice that mustn't be: a command fits once, and stores refuse who comes late.
 */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #closing = new AbortController()
  readonly #forget: () => void
  #membership: Promise<Membership> | undefined
  /** Of what is done while this process keeps the view. */
  #keeping: { readonly ending: AbortController; readonly done: Promise<void> } | undefined
  /** Another command was folded. */
  #changed = new AbortController()
  /** What the group gives and takes, one after another. */
  #turns: Promise<void> = Promise.resolve()
  /** Joining and leaving, one after another. */
  #changes: Promise<void> = Promise.resolve()

  constructor(options: KeeperOptions) {
    this.#options = options
    const forget = [
      options.view.onChange(() => this.#follow()),
      options.coordination.onChange(view => {
        if (view === options.view.name) this.#changed.abort()
      }),
    ]
    this.#forget = () => {
      for (const each of forget) each()
    }
    this.#follow()
  }

  /** Whether this process keeps the view now. */
  get keeps(): boolean {
    return this.#keeping !== undefined
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#forget()
    await this.#changes
    await this.#leave()
  }

  #follow(): void {
    const joined = this.#membership !== undefined
    if (this.#closing.signal.aborted || this.#isAble() === joined) return
    this.#changes = this.#changes.then(() => this.#join()).catch(this.#options.failed)
  }

  #isAble(): boolean {
    const { view, coordination } = this.#options
    if (coordination.ended !== undefined || view.generations.length === 0 || view.generations.some(isOutOfReach)) return false
    // A later command may have said what this version would undo.
    return view.state().halted === undefined
  }

  async #join(): Promise<void> {
    if (this.#closing.signal.aborted || this.#isAble() === (this.#membership !== undefined)) return
    if (this.#membership !== undefined) return await this.#leave()
    const { log, coordination, namespace, view, failed } = this.#options
    const { topic } = coordination.control()
    this.#membership = log.join(`${namespace}.${view.name}.keeper`, topic, {
      assigned: () => void this.#inTurn(() => this.#begin()),
      revoked: () => this.#inTurn(() => this.#end()),
      failed,
    })
    await this.#membership
  }

  async #leave(): Promise<void> {
    const membership = this.#membership
    this.#membership = undefined
    await (await membership)?.leave()
  }

  /** What was taken from a process that slept may be given to it again before it has ended there. */
  #inTurn(work: () => void | Promise<void>): Promise<void> {
    this.#turns = this.#turns.then(work)
    return this.#turns
  }

  #begin(): void {
    if (this.#keeping !== undefined) return
    const ending = new AbortController()
    const parts: EffectParts = { ...this.#options, dropped: new Set(), signal: ending.signal }
    // Beside each other: a verification takes long, and what leaves may wait for a server.
    const done = Promise.all(effects.map(effect => this.#repeat(effect, parts))).then(() => undefined)
    done.catch(this.#options.failed)
    this.#keeping = { ending, done }
    this.#options.logger.info('This process keeps the view')
  }

  async #end(): Promise<void> {
    this.#keeping?.ending.abort()
    await this.#keeping?.done.catch(() => undefined)
    this.#keeping = undefined
  }

  /** @throws bugs */
  async #repeat(effect: Effect, parts: EffectParts): Promise<void> {
    let told = ''
    while (!parts.signal.aborted) {
      let did = false
      try {
        did = (await effect(parts)) === 'done'
        told = ''
      } catch (error) {
        if (parts.signal.aborted) return
        if (!isAnswer(error)) throw error
        if (told !== error.message && error.code !== 'closed') {
          this.#options.logger.warn('What the view needs cannot be done now; it is tried again', {
            effect: effect.name,
            cause: messageOf(error),
            remedy: error.remedy,
          })
        }
        told = error.message
      }
      if (this.#changed.signal.aborted) this.#changed = new AbortController()
      await pause(did ? AGAIN_MS : LOOK_MS, AbortSignal.any([parts.signal, ...(did ? [] : [this.#changed.signal])]))
    }
  }
}
