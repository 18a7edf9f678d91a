import type { TopicSpec } from '../../model/log.ts'
import { serve } from '../../sqlite/thread-host.ts'
import { batchAppender } from './append-batch.ts'
import { type Clock, nowBy } from './clock.ts'
import { type CompactionOptions, CompactionPass, type CompactionReport } from './compaction.ts'
import { type LogFile, openLogFile } from './file.ts'
import { type Claimant, holdLease, releaseLease } from './lease-row.ts'
import type { PackedRecords } from './packed-records.ts'
import { findOrMakeTopic } from './topics.ts'

/** The thread that writes: appends, topics, the lease, compaction. One after another, as SQLite has one writer anyway. */

let file: LogFile | undefined
/** For what needn't be durable. */
let normal: LogFile | undefined
let append: ReturnType<typeof batchAppender> | undefined
let pass: Generator<undefined, CompactionReport> | undefined

function opened<T>(thing: T | undefined): T {
  if (thing === undefined) throw new Error('open comes first')
  return thing
}

const db = () => opened(file).db

const functions = {
  open(path: string): string {
    file = openLogFile(path)
    normal = openLogFile(path, 'normal')
    append = batchAppender(file.db, normal.db)
    return file.logId
  },
  append: (records: PackedRecords, durable: boolean, nowMs: number) => opened(append)(records, durable, nowMs),
  topic: (spec: TopicSpec) => findOrMakeTopic(db(), spec),
  holdLease: (claimant: Claimant, clock: Clock) => holdLease(db(), claimant, nowBy(clock)),
  releaseLease: (owner: string) => releaseLease(db(), owner),
  /** Numbers of the partitions with so much that is new, or with a tombstone stamped before `stampedBeforeMs`. */
  dirtyPartitions(dirtyBytesMin: number, dirtyRatioMin: number, stampedBeforeMs: number): readonly number[] {
    const rows = db()
      .prepare(`
        SELECT number FROM partitions
        WHERE (dirty_bytes >= ? AND dirty_bytes >= ? * bytes) OR oldest_stamp_ms < ? ORDER BY number`)
      .all(dirtyBytesMin, dirtyRatioMin, stampedBeforeMs)
    return rows.map(row => Number(row.number))
  },
  /** Starts a pass, instead of one that wasn't finished. */
  beginCompaction(options: CompactionOptions): void {
    pass = new CompactionPass(db(), options).steps()
  },
  /** Undefined until the pass is done. */
  stepCompaction(): CompactionReport | undefined {
    const step = opened(pass).next()
    if (step.done !== true) return undefined
    pass = undefined
    return step.value
  },
  endCompaction(): void {
    pass = undefined
  },
  close() {
    normal?.db.close()
    file?.db.close()
  },
}

export type WriterFunctions = typeof functions

serve(functions)
