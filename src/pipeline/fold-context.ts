import type { LogfoldError } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { ViewBackend, ViewWriter } from '../model/view-backend.ts'
import type { DeadLetters } from './dead-letters.ts'
import type { FoldRules } from './fold.ts'
import type { Report } from './report.ts'
import type { Steering } from './steering.ts'

/** What the folds of all partitions of a generation share. */
export interface FoldContext {
  readonly log: Log
  readonly topic: Topic
  readonly generation: Generation
  readonly backend: ViewBackend
  readonly writer: ViewWriter
  readonly rules: FoldRules
  readonly deadLetters: DeadLetters
  readonly report: Report
  readonly steering: Steering
  readonly logger: Logger
  /** How often this process has opened a shard. */
  openings(shard: string): number
  /**
   * Opens a shard that lost its data (`anew`: one whose data can't be trusted), once for all partitions: not
   * where it was opened since somebody saw it so.
   * @param openings as they were before it was looked at
   */
  reopen(shard: string, anew: boolean, openings: number): Promise<void>
  /** Stops the view for safety. */
  stop(error: LogfoldError): void
  /** A shard has taken a batch. */
  applied(shard: string): void
}
