import { isAnswer, isLogfoldError, type LogfoldError, messageOf } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import type { Generation } from '../model/generation.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { ViewAdmin, ViewBackend, ViewWriter } from '../model/view-backend.ts'
import type { Report } from './report.ts'
import { NOT_OPEN } from './shard-checks.ts'
import { foreignShard } from './stops.ts'

/** How long the first opening of a shard is held up by others that don't tell what they hold. */
const LOOK_MS = 1_000

/**
 * Asked each time a shard is about to be opened; false: not now. `lost`: it lacks its data. `anew`: deletes may be missing from what it has. An error
 * that says that it can't be told now is taken for false.
 */
export type MayOpen = (shard: string, why: 'lost' | 'anew') => Promise<boolean>

interface OpeningsOptions {
  readonly backend: ViewBackend
  readonly generation: Generation
  readonly admin: ViewAdmin
  readonly writer: Pick<ViewWriter, 'checkpoints'>
  readonly report: Report
  readonly logger: Logger
  /** Whether this is the worker that opens shards. */
  readonly isOpener: () => boolean
  readonly opened: (shard: string) => void
  readonly mayOpen: MayOpen
}

/** Opens the shards that don't hold the generation, each one time at once. */
export class Openings {
  readonly #options: OpeningsOptions
  readonly #signal: AbortSignal
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #counts = new Map<string, number>()
  #looked: Promise<LogfoldError | undefined> | undefined

  constructor(options: OpeningsOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  /** How often a shard was opened here. */
  count(shard: string): number {
    return this.#counts.get(shard) ?? 0
  }

  /**
   * Only the worker that holds partition 0 opens shards; the others wait for it.
   * @param count as it was before the shard said that it has to be opened: one that was opened since isn't again
   */
  async reopen(shard: string, anew: boolean, count: number): Promise<void> {
    if (!this.#options.isOpener()) {
      this.#options.report.waiting(shard, anew ? 'it may have missed deletes; the worker that holds partition 0 empties it' : NOT_OPEN.lost)
      return
    }
    if (count !== this.count(shard)) return
    const opening = this.#underWay.get(shard) ?? this.#open(shard, anew).finally(() => this.#underWay.delete(shard))
    this.#underWay.set(shard, opening)
    await opening
  }

  /**
   * Before any shard is opened: whether one of them holds something else. Then log or store isn't the one that was meant, and nothing is written to
   * its neighbours either. Once is enough, as a shard that changes later tells by itself. One that doesn't answer soon isn't waited for.
   */
  async #lookAtAll(): Promise<LogfoldError | undefined> {
    const { backend, generation, writer } = this.#options
    const foreign: LogfoldError[] = []
    const looks = backend.shards.map(async shard => {
      const answer = await writer.checkpoints(shard)
      if (answer.kind === 'foreign') foreign.push(foreignShard(generation, shard, answer.found))
    })
    const looked = new AbortController()
    await Promise.race([Promise.all(looks), pause(LOOK_MS, AbortSignal.any([looked.signal, this.#signal]))])
    looked.abort()
    return foreign[0]
  }

  async #open(shard: string, anew: boolean): Promise<void> {
    const { generation, admin, logger, report, opened } = this.#options
    try {
      this.#looked ??= this.#lookAtAll()
      const foreign = await this.#looked
      if (foreign !== undefined) throw foreign
      if (this.#signal.aborted || !(await this.#mayOpen(shard, anew)) || this.#signal.aborted) return
      const outcome = await admin.open(shard, { anew })
      if (outcome === 'opened') {
        failPoint('pipeline/opened')
        this.#counts.set(shard, this.count(shard) + 1)
        logger.info('Opened a shard; it is folded from the start', { shard, anew })
        opened(shard)
      } else if (outcome === 'dropped') report.waiting(shard, 'this generation was dropped there')
      else if (outcome !== 'kept') throw foreignShard(generation, shard, outcome.found)
    } catch (error) {
      if (!isLogfoldError(error, 'view-unavailable')) throw error
      report.waiting(shard, messageOf(error))
    }
  }

  async #mayOpen(shard: string, anew: boolean): Promise<boolean> {
    const { mayOpen, report } = this.#options
    try {
      if (await mayOpen(shard, anew ? 'anew' : 'lost')) return true
      report.waiting(
        shard,
        anew ? 'it may have missed deletes; it is not known yet whether it may be emptied' : 'it is not known yet whether it may be opened',
      )
    } catch (error) {
      if (!isAnswer(error)) throw error
      report.waiting(shard, messageOf(error))
    }
    return false
  }
}
