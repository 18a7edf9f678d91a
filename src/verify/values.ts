import type { Log, LogReader, Topic } from '../model/log.ts'
import type { Offset, Stretch } from '../model/record.ts'
import type { SetOp } from '../model/view-backend.ts'
import type { FoldRules } from '../pipeline/fold.ts'
import { foldProjected } from '../pipeline/projecting.ts'
import type { Patience } from './patience.ts'
import { copied, openReader } from './reading.ts'

/** A record so little further on is read up to; for one further away a new reader is opened. */
const NEAR_OFFSETS = 2_000

export interface ValueSource {
  readonly log: Log
  readonly topic: Topic
  readonly rules: FoldRules
  readonly patience: Patience
}

/**
 * The set ops of the records at these offsets of one partition, in order, as the log has them now. A record that compaction has removed is left out,
 * and so is one with a later record of its key close behind it.
 */
export async function* valuesAt(source: ValueSource, partition: number, offsets: readonly Offset[]): AsyncGenerator<SetOp> {
  const { rules, patience } = source
  let reader: LogReader | undefined
  try {
    let stretch: Stretch | undefined
    let ops: readonly SetOp[] = []
    for (const offset of offsets) {
      while (stretch === undefined || stretch.next <= offset) {
        patience.signal.throwIfAborted()
        if (reader === undefined || stretch === undefined || offset - stretch.next > NEAR_OFFSETS) {
          reader?.close()
          reader = openReader(source, partition, offset)
        }
        stretch = await patience.told('the log, to give the values that are to be repaired', reader.next(0))
        if (stretch.next === stretch.from) return
        const folded = await foldProjected(stretch, Number.POSITIVE_INFINITY, rules, patience.signal)
        ops = folded.ops.filter(op => op.kind === 'set')
      }
      const op = ops.find(each => each.offset === offset)
      if (op !== undefined) yield copied(op)
    }
  } finally {
    reader?.close()
  }
}
