import type { DeadLetterReader } from '../model/dead-letter.ts'
import type { LogfoldError } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Log, LogWriter, Topic } from '../model/log.ts'
import type { Offset } from '../model/record.ts'
import type { SchemaCheck } from '../model/value.ts'
import type { ViewBackend, ViewReader } from '../model/view-backend.ts'
import type { ViewDefinition } from './definition.ts'

/** A view as the API and the admin listener of one process see it. Its answers may change from call to call; ask again for each request. */
export interface View {
  readonly name: string
  /** How it is written and read, by the config; and what shapes it, by the generation that serves, once that is known. */
  readonly definition: ViewDefinition
  /** The compiled JSON Schema, where there is one. */
  readonly schema: SchemaCheck | undefined
  /**
   * The topic behind the view, for writing.
   * @throws log-unavailable while it isn't known; topic-missing, topic-mismatch.
   */
  source(): Source
  /** Why the view was stopped for safety; undefined where it wasn't. What is there may still be read, but nothing should be written. */
  readonly stopped: LogfoldError | undefined
  /**
   * What reads are answered from, once any of its shards can be read. The store itself refuses what a shard can't answer.
   * @throws why none can: view-folding with its progress, view-unavailable, backend-unknown, foreign-store;
   * view-stopped, with the reason and the remedy.
   * @throws what `source` throws.
   */
  serving(): Serving
  /**
   * The store has lost what a read wanted: perhaps since another generation serves by now. Learns all commands up to now, for a second at most, and
   * says whether reads are answered from another one than this; or at all, where none was. All that ask meanwhile share it.
   */
  movedOn(from: Serving | undefined): Promise<boolean>
  /** Of the generation that serves. @throws what `source` throws. */
  deadLetters(): DeadLetterReader
  /**
   * Calls back with the shard when this process has applied a batch of the view, so that waiting reads and writes needn't poll at full speed. A hint:
   * an API process without a worker never gets it. Returns the function that ends it.
   */
  onApplied(listener: (shard: string) => void): () => void
}

export interface Source {
  readonly log: Log
  readonly topic: Topic
  readonly writer: LogWriter
  /** Name of the group that folds the serving generation; `log.members` tells whether anybody does. */
  readonly group: string
}

/** A generation that reads are answered from. */
export interface Serving {
  readonly generation: Generation
  readonly backend: ViewBackend
  readonly reader: ViewReader
  readonly deadLetters: DeadLetterReader
  /**
   * Where the log that it is folded from ends, one a partition, as of now: of no other topic, whichever is written to by now.
   * @throws log-unavailable; topic-mismatch, topic-missing: it is gone, and nobody knows any more how far it went
   */
  endOffsets(): Promise<readonly Offset[]>
  /** Answers that go on for long are cut off then: the generation is being taken away. */
  readonly ending: AbortSignal
  /** A request is answered from it from now on, until the function that this returns is called: so long it isn't taken away. */
  hold(): () => void
  /**
   * Whether these shards may be read: `current`; `stale` where one of them fell behind what it has vouched for, and
   * the view serves old values all the same.
   * @throws view-behind where it doesn't
   */
  assess(shards: readonly string[]): 'current' | 'stale'
  /**
   * Somebody is told that the shard vouches for so much: should it say less later, an older state of it was brought back; and no
   * generation that vouches for less is gone over to.
   */
  saw(shard: string, vouched: readonly Offset[]): void
  /** A read of the store failed: its shards are looked at again at once. Gives the error to be told, with what is known of the progress. */
  doubt(error: LogfoldError): LogfoldError
}
