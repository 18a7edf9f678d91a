import { isOver, type VerifyStatus } from '../model/verify-status.ts'
import { Run, type RunOptions } from './run.ts'

export { type Replayed, replay } from './replay.ts'
export type { RunOptions } from './run.ts'

/** What is asked for anew with each run. */
export interface VerifyRequest {
  readonly repair: boolean
  /** Records and entries a second, at most; `limits.verifyRate` by default. */
  readonly rate?: number
}

/** Verifies one generation in this process, one run at a time. */
export class Verify {
  readonly #options: Omit<RunOptions, keyof VerifyRequest>
  #run: Run | undefined

  constructor(options: Omit<RunOptions, keyof VerifyRequest>) {
    this.#options = options
  }

  /**
   * Starts a run, which goes on where the scratch was left unless that was done; or joins the one under way, which then repairs
   * where this asks for it, and keeps its rate.
   */
  start(request: VerifyRequest): VerifyStatus {
    if (this.#run === undefined || isOver(this.#run.status())) this.#run = new Run({ ...this.#options, ...request })
    else if (request.repair) this.#run.repair()
    return this.#run.status()
  }

  /** Of the last run of this process; undefined where there was none. */
  status(): VerifyStatus | undefined {
    return this.#run?.status()
  }

  /** Settles with the report when the run is over; undefined where there is none. */
  finished(): Promise<VerifyStatus | undefined> {
    return this.#run?.finished ?? Promise.resolve(undefined)
  }

  /** Settles when nothing is under way any more. What was done is kept for the next run. */
  async cancel(): Promise<VerifyStatus | undefined> {
    await this.#run?.cancel()
    return this.status()
  }
}
