import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import { type Generation, generationName } from '../model/generation.ts'
import { limits } from '../model/limits.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import { repairableKinds, type VerifyPhase, type VerifyStatus } from '../model/verify-status.ts'
import type { ViewBackend } from '../model/view-backend.ts'
import type { FoldRules, HeldRules } from '../pipeline/fold.ts'
import { type Clock, realClock, Throttle } from '../pipeline/pace.ts'
import { LogFold, MissedDeletes } from './log-fold.ts'
import { Meter } from './meter.ts'
import { Patience } from './patience.ts'
import { Repair } from './repair.ts'
import { Report } from './report.ts'
import { scanShards } from './scanning.ts'
import { Scratch } from './scratch.ts'
import { Settling } from './settling.ts'
import { Shards } from './shards.ts'

/** A log whose deletes go faster than it can be folded would be folded for ever. */
const BEGUN_ANEW_MAX = 3

export interface RunOptions {
  readonly log: Log
  readonly topic: Topic
  readonly generation: Generation
  readonly backend: ViewBackend
  /** Asked for as a run begins, and released as it ends. @throws where they can't be had here */
  readonly holdRules: () => Promise<HeldRules>
  readonly logger: Logger
  /** Of the scratch. Other files beside it begin with the same name. */
  readonly path: string
  /** Mends what is wrong. */
  readonly repair: boolean
  /** Records and entries a second, at most; `limits.verifyRate` by default. */
  readonly rate?: number
  readonly clock?: Clock
  /** Entries scanned, and suspects asked about, in one go. For tests. */
  readonly pageEntries?: number
}

/** One comparison of a generation's store with its log, from its start, or where the scratch was left, to its end. Waits out every outage. */
export class Run {
  readonly finished: Promise<VerifyStatus>
  readonly #options: Required<RunOptions>
  readonly #meter: Meter
  readonly #report = new Report()
  readonly #cancelling = new AbortController()
  readonly #patience: Patience
  readonly #shards: Shards
  #scratch: Scratch | undefined
  #phase: VerifyPhase = 'folding'
  #repair: boolean
  #repairing = false
  #ending = false
  #failure: VerifyStatus['failure'] = null

  constructor(options: RunOptions) {
    this.#options = { rate: limits.verifyRate, clock: realClock, pageEntries: limits.pageEntriesMax, ...options }
    this.#meter = new Meter(this.#options.clock)
    this.#repair = options.repair
    this.#patience = new Patience(this.#cancelling.signal, options.logger)
    this.#shards = new Shards(options.backend, options.generation, this.#patience)
    this.finished = this.#main()
  }

  /** From now on it mends, what it has found before included; unless it is just ending. */
  repair(): void {
    if (!this.#ending) this.#repair = true
  }

  /** Settles when nothing is under way any more. What was done stays in the scratch. */
  async cancel(): Promise<void> {
    this.#cancelling.abort()
    await this.finished
  }

  status(): VerifyStatus {
    const { generation, rate } = this.#options
    const { ends = undefined, begunAnew = 0 } = this.#scratch?.state ?? {}
    return {
      view: generation.view,
      generation: generationName(generation),
      phase: this.#phase,
      repair: this.#repair,
      rate,
      progress: this.#meter.progress(),
      waitingFor: this.#patience.waiting ?? null,
      ends: ends ?? null,
      begunAnew,
      differences: this.#report.differences,
      left: this.#report.left(),
      failure: this.#failure,
    }
  }

  async #main(): Promise<VerifyStatus> {
    const { logger, path, generation } = this.#options
    let end: VerifyPhase = 'done'
    let held: HeldRules | undefined
    try {
      held = await this.#options.holdRules()
      this.#scratch = await Scratch.open(path, generation)
      await this.#report.load(this.#scratch)
      await this.#phases(this.#scratch, held.rules)
      const left = this.#report.left()
      logger[left === 0 ? 'info' : 'warn']('Verified', { generation: generationName(generation), left })
    } catch (error) {
      end = this.#cancelling.signal.aborted ? 'cancelled' : 'failed'
      if (end === 'failed') this.#fail(error)
    } finally {
      await this.#scratch?.close()
      await held?.release()
    }
    // Only now may another run open the scratch.
    this.#phase = end
    return this.status()
  }

  #fail(error: unknown): void {
    const known = isLogfoldError(error) ? error : new LogfoldError('internal', messageOf(error), { cause: error })
    this.#failure = { code: known.code, detail: known.message, remedy: known.remedy ?? null }
    this.#options.logger.error('Verify failed', { code: known.code, cause: known, remedy: known.remedy })
  }

  async #phases(scratch: Scratch, rules: FoldRules): Promise<void> {
    for (let begun = 0; ; begun++) {
      try {
        await this.#once(scratch, rules)
        return
      } catch (error) {
        const missed = error instanceof MissedDeletes
        // The log isn't what it was; whoever asks again gets another start.
        if (!missed && !isLogfoldError(error, 'offset-out-of-range')) throw error
        this.#options.logger.warn('Verify begins anew: what it has of the log cannot be folded on', { cause: error.message })
        await scratch.beginAnew()
        await this.#report.load(scratch)
        this.#repairing = false
        if (!missed) throw error
        if (begun >= BEGUN_ANEW_MAX) throw tooSlow(error)
      }
    }
  }

  async #once(scratch: Scratch, rules: FoldRules): Promise<void> {
    const { log, topic, clock, rate } = this.#options
    const throttle = new Throttle(rate, clock)
    const passed = (offsets: number): void => {
      if (this.#phase === 'folding') this.#meter.add(offsets)
    }
    const logFold = new LogFold({ log, topic, rules, scratch, patience: this.#patience, throttle, passed })
    if (scratch.state.phase === 'folding') await this.#fold(scratch, logFold)
    if (scratch.state.phase === 'scanning') await this.#scan(scratch, logFold, throttle)
    if (scratch.state.phase === 'settling') await this.#settle(scratch, rules, logFold, throttle)
  }

  async #fold(scratch: Scratch, logFold: LogFold): Promise<void> {
    this.#phase = 'folding'
    const ends = scratch.state.ends ?? (await logFold.ends())
    if (scratch.state.ends === undefined) await scratch.move({ ends })
    this.#meter.begin(sum(logFold.positions()), sum(ends))
    await logFold.toAll(ends)
    failPoint('verify/folded')
    await scratch.move({ phase: 'scanning' })
  }

  async #scan(scratch: Scratch, logFold: LogFold, throttle: Throttle): Promise<void> {
    this.#phase = 'waiting'
    for (const shard of this.#shards.names) await this.#shards.vouches(shard, logFold.positions())
    this.#phase = 'scanning'
    this.#meter.begin(await scratch.foundCount(), await scratch.expectedCount())
    const { pageEntries } = this.#options
    const found = (entries: number): void => this.#meter.add(entries)
    await scanShards({ scratch, shards: this.#shards, patience: this.#patience, throttle, pageEntries, found })
    await scratch.move({ phase: 'settling' })
  }

  async #settle(scratch: Scratch, rules: FoldRules, logFold: LogFold, throttle: Throttle): Promise<void> {
    this.#phase = 'settling'
    const { log, topic, logger, pageEntries } = this.#options
    this.#meter.begin(0, await scratch.suspectCount())
    const patience = this.#patience
    const repair = new Repair({ log, topic, rules, patience, scratch, logFold, shards: this.#shards, logger })
    const settling = new Settling({
      scratch,
      logFold,
      shards: this.#shards,
      repair,
      report: this.#report,
      patience,
      throttle,
      pageEntries,
      repairs: () => this.#repairing,
      settled: suspects => this.#meter.add(suspects),
    })
    do {
      await this.#beginRepair(scratch)
      await settling.run()
    } while (this.#repair !== this.#repairing)
    this.#ending = true
    await scratch.move({ phase: 'done' })
  }

  /** What was found while nothing was to be mended is asked about again. */
  async #beginRepair(scratch: Scratch): Promise<void> {
    if (!this.#repair) return
    this.#repairing = true
    await scratch.suspectAgain(repairableKinds)
    await this.#report.load(scratch)
    this.#meter.begin(0, await scratch.suspectCount())
  }
}

const tooSlow = (cause: MissedDeletes): LogfoldError =>
  new LogfoldError('offset-out-of-range', `The log removes deletes faster than it is folded here. ${cause.message}`, {
    remedy: 'Verify with a higher rate, or let the topic keep its deletes for longer (delete.retention.ms)',
    cause,
  })

const sum = (offsets: readonly Offset[]): number => offsets.reduce((total, offset) => total + offset, 0)
