import type { Log, LogReader, Topic } from '../model/log.ts'
import { formatPlace, type Offset, type Stretch } from '../model/record.ts'
import type { Checkpoint } from '../model/view-backend.ts'
import type { FoldRules } from '../pipeline/fold.ts'
import { Lane } from '../pipeline/lane.ts'
import type { Throttle } from '../pipeline/pace.ts'
import { foldProjected } from '../pipeline/projecting.ts'
import type { Patience } from './patience.ts'
import { openReader } from './reading.ts'
import type { Scratch } from './scratch.ts'

/** How long a reader waits for records before it says that there are none. */
const IDLE_WAIT_MS = 1_000

/** Compaction has removed tombstones that were yet to be read: what they deleted would be expected for ever. Only a fold from 0 is right. */
export class MissedDeletes extends Error {
  override readonly name = 'MissedDeletes'
}

interface LogFoldOptions {
  readonly log: Log
  readonly topic: Topic
  readonly rules: FoldRules
  readonly scratch: Scratch
  readonly patience: Patience
  readonly throttle: Throttle
  /** So many offsets were passed. */
  readonly passed: (offsets: number) => void
}

/** Folds the log into the scratch, by the pipeline's rules, one partition and one stretch at a time. */
export class LogFold {
  readonly #options: LogFoldOptions

  constructor(options: LogFoldOptions) {
    this.#options = options
  }

  ends(): Promise<readonly Offset[]> {
    const { log, topic, patience } = this.#options
    return patience.until(() => log.endOffsets(topic))
  }

  /** The position of each partition. */
  positions(): readonly Offset[] {
    const { topic, scratch } = this.#options
    return Array.from({ length: topic.partitions }, (_, partition) => scratch.folded(partition).position)
  }

  /** Folds every partition on until what is known vouches for these positions. */
  async toAll(targets: readonly Offset[]): Promise<void> {
    for (const [partition, target] of targets.entries()) await this.to(partition, target)
  }

  /**
   * Folds on to just this position; beyond it only where compaction left a hole, until that is closed.
   * @throws MissedDeletes; offset-out-of-range, topic-missing, topic-mismatch, log-corrupt, wrong-partition; the signal's reason
   */
  async to(partition: number, target: Offset): Promise<void> {
    const checkpoint = this.#options.scratch.folded(partition)
    if (checkpoint.vouched >= target) return
    const reader = openReader(this.#options, partition, checkpoint.position, checkpoint.leaderEpoch)
    try {
      await this.#run(new Lane(reader, [], checkpoint), partition, target)
    } finally {
      reader.close()
    }
  }

  async #run(lane: Lane, partition: number, target: Offset): Promise<void> {
    const { patience } = this.#options
    while (lane.checkpoint.vouched < target) {
      const stretch = await this.#next(lane.reader, partition, lane.position, target)
      if (lane.missesDeletes(stretch)) throw new MissedDeletes(`Partition ${partition}: tombstones beyond ${lane.position} were removed`)
      if (stretch.next === stretch.from && stretch.endOffset < target) {
        patience.tell(`the log, whose partition ${partition} ends at ${stretch.endOffset}; it is to be folded to ${target}`)
      }
      await this.#step(lane, stretch, lane.position < target ? target : Number.POSITIVE_INFINITY)
      // Folding the first part of a stretch again changes nothing.
      if (lane.checkpoint.vouched < target && lane.position < stretch.next) await this.#step(lane, stretch, Number.POSITIVE_INFINITY)
    }
  }

  async #step(lane: Lane, stretch: Stretch, until: Offset): Promise<void> {
    const { rules, scratch, throttle, patience, passed } = this.#options
    patience.signal.throwIfAborted()
    const before = lane.position
    const folded = await foldProjected(stretch, until, rules, patience.signal)
    const checkpoint: Checkpoint = lane.aim(folded.next, stretch)
    await scratch.fold(stretch.partition, checkpoint, folded)
    lane.arrive(checkpoint)
    passed(checkpoint.position - before)
    await throttle.took(folded.records, patience.signal)
  }

  async #next(reader: LogReader, partition: number, position: Offset, target: Offset): Promise<Stretch> {
    const why = `the log, to give what stands at ${formatPlace(partition, position)}; it is to be folded to ${target}`
    return await this.#options.patience.told(why, reader.next(IDLE_WAIT_MS))
  }
}
