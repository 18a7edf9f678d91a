import { isAnswer, isLogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import { pause } from '../../src/model/pause.ts'
import { type Differences, differenceKinds, isOver, type VerifyPhase, type VerifyStatus } from '../../src/model/verify-status.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { type RunOptions, Verify } from '../../src/verify/verify.ts'
import { ownerOf, SimBackend } from './backend.ts'
import type { Copy } from './disk.ts'
import type { Judge } from './judge.ts'

const RETRY_MS = 200

/**
 * In the place of `src/verify`: that keeps what it knows in a SQLite file of a thread, whose answers come when the machine gives them, and not when the simulation's time does. This one gets what stands on each
 * shard in one moment, waiting out outages as the real one does, and compares it with all that was ever appended.
 */
export class SimVerify extends Verify {
  readonly #judge: Judge
  readonly #generation: Generation
  readonly #backend: ViewBackend
  #cancelling = new AbortController()
  #finished: Promise<VerifyStatus> | undefined
  #phase: VerifyPhase = 'folding'
  #differences = 0
  #unresolved = 0

  constructor(judge: Judge, options: Omit<RunOptions, 'repair' | 'rate'>) {
    super(options)
    this.#judge = judge
    this.#generation = options.generation
    this.#backend = options.backend
  }

  override start(): VerifyStatus {
    if (this.#finished === undefined || isOver({ phase: this.#phase })) {
      this.#cancelling = new AbortController()
      this.#phase = 'scanning'
      this.#differences = 0
      this.#unresolved = 0
      this.#finished = this.#run(this.#cancelling.signal)
    }
    return this.status()
  }

  override async finished(): Promise<VerifyStatus | undefined> {
    return await this.#finished
  }

  override async cancel(): Promise<VerifyStatus | undefined> {
    this.#cancelling.abort()
    return await this.#finished
  }

  override status(): VerifyStatus {
    const none = Object.fromEntries(differenceKinds.map(kind => [kind, { count: 0, repaired: 0, first: [] }])) as unknown as Differences
    return {
      view: this.#generation.view,
      generation: String(this.#generation.number),
      phase: this.#phase,
      repair: false,
      rate: 0,
      progress: { done: 0, total: 0, perSecond: 0, etaSeconds: null },
      waitingFor: null,
      ends: null,
      begunAnew: 0,
      differences: { ...none, unresolved: { count: this.#unresolved, repaired: 0, first: [] } },
      left: this.#differences,
      failure: null,
    }
  }

  async #run(signal: AbortSignal): Promise<VerifyStatus> {
    for (const shard of this.#backend.shards) {
      const copy = await this.#content(shard, signal)
      if (copy === undefined) {
        this.#phase = 'cancelled'
        return this.status()
      }
      this.#compare(shard, copy)
    }
    this.#phase = 'done'
    return this.status()
  }

  /** Undefined once it is cancelled. @throws bugs */
  async #content(shard: string, signal: AbortSignal): Promise<Copy | undefined> {
    while (!signal.aborted) {
      try {
        if (this.#backend instanceof SimBackend) return await this.#backend.content(this.#generation, shard)
      } catch (error) {
        if (!isAnswer(error) || isLogfoldError(error, 'closed')) return undefined
        await pause(RETRY_MS, signal)
      }
    }
    return undefined
  }

  #compare(shard: string, copy: Copy): void {
    for (const [partition, history] of this.#judge.histories.entries()) {
      const { position = 0, vouched = 0 } = copy.checkpoints.get(partition) ?? {}
      for (const id of history.ids.keys()) {
        if (ownerOf(this.#backend.shards, id) !== shard) continue
        if (history.unresolved(id, position)) this.#unresolved++
        else if (!history.fits(id, copy.values.get(id), vouched, position)) this.#differences++
      }
    }
  }
}
