import type { ReloadAnswer } from '../model/reload.ts'
import type { ReshardAnswer, ReshardRequest, ReshardVerb } from '../model/reshard.ts'
import type { StatusDocument } from './status.ts'

export interface VerifyRequest {
  /** Mends what differs. */
  readonly repair: boolean
  /** Records and entries a second, at most. */
  readonly rate?: number
}

/**
 * What the admin listener has done with a view, and can't do by itself. Each view is named by a name that exists; what is in the
 * documents is the matter of whoever does it.
 */
export interface Verbs {
  /**
   * Starts comparing the view's store with its log, goes on where that was left, or joins what is under way.
   * @throws view-stopped; closing; what keeps the view from being known
   */
  verify(view: string, request: VerifyRequest): Promise<StatusDocument>
  /** Of the last verify in this process; undefined where there was none. */
  verifyStatus(view: string): StatusDocument | undefined
  /** Settles when nothing is under way any more; undefined where there was none. What was done is kept for the next one. */
  cancelVerify(view: string): Promise<StatusDocument | undefined>
  /**
   * Folds the record of a dead letter again, at its place.
   * @throws no-such-dead-letter, foreign-dead-letter, view-stopped; view-unavailable where it had to wait for too
   * long, after which it may be repeated; closing
   */
  replay(view: string, letter: string): Promise<StatusDocument>
  /**
   * Takes a dead letter away for good.
   * @throws no-such-dead-letter; log-unavailable where it had to wait for too long, after which it may be repeated; closing
   */
  drop(view: string, letter: string): Promise<StatusDocument>
  /**
   * Checks, and sends, a command to the view's generations.
   * @throws command-refused with what speaks against it; backend-unknown; too-old; log-unavailable, outcome-unknown;
   * closing; what keeps the view from being known
   */
  reshard(view: string, verb: ReshardVerb, request: ReshardRequest): Promise<ReshardAnswer>
  /** Reads the config again. @throws reload-refused with each change that needs a restart; config-invalid */
  reload(): Promise<ReloadAnswer>
}
