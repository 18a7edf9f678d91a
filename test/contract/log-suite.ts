import type { Log, Topic } from '../../src/model/log.ts'
import { appending } from './log/appending.ts'
import { compacting } from './log/compacting.ts'
import { groups } from './log/groups.ts'
import { reading } from './log/reading.ts'
import { reopening } from './log/reopening.ts'
import { states } from './log/states.ts'
import { topics } from './log/topics.ts'
import type { TestRunner } from './runner.ts'

/** The contract of a log as tests: one suite for every log. */

/** What the suite chooses cases by. Never by a log's kind. */
export interface LogTraits {
  /** Whether a compacted topic takes records with a null key. */
  readonly nullKeys: 'taken' | 'refused'
  /** Whom a group's partitions go to. `first`: all to the first member. `shared`: each member has some. */
  readonly assignment: 'first' | 'shared'
}

/** A log of one case, empty at first. */
export interface LogUnderTest {
  /** Each call opens the same log, as another process would. The suite closes it. */
  open(): Promise<Log>
  /**
   * Settles when compaction has removed every record of the topic that has a later one of its key. Without it, the cases of compaction are left out.
   */
  compact?(log: Log, topic: Topic): Promise<void>
  /** After the case, when all that was opened is closed. */
  dispose(): Promise<void>
}

export interface LogSuiteOptions {
  readonly name: string
  readonly traits: LogTraits
  /** Whether `make` gives logs that have `compact`. */
  readonly compacts: boolean
  /** Called once a case. */
  make(): Promise<LogUnderTest>
}

export function logSuite(runner: TestRunner, options: LogSuiteOptions): void {
  runner.describe(`the contract of a log: ${options.name}`, () => {
    for (const section of [topics, appending, reading, compacting, groups, reopening, states]) section(runner, options)
  })
}
