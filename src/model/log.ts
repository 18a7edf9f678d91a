import type { NewRecord, Offset, Stretch } from './record.ts'
import type { Checkpoint } from './view-backend.ts'

/**
 * The log: the only truth, and the only coordinator. Everything above this interface is the same on Kafka and on the embedded log.
 *
 * What each log promises:
 * - An offset is given once. A record that was acknowledged is on stable storage and stays until compaction finds a later one of its key,
 *   or, for a tombstone, until `deleteRetentionMs` after compaction first reached it. Of a topic with `deleteAfterMs` neither is promised.
 * - Reading a partition from position p gives the records from p on, in order, each once, less what compaction removed, and says where it removed.
 * - An outage is never an error of the data: operations wait and retry, or answer `log-unavailable`; nothing is dropped.
 *
 * Every operation of a closed log throws `closed`. Closing twice is fine.
 */
export interface Log {
  readonly kind: string
  /** Identity of the cluster or file: another log under the same address is another log. Known once `topic` has answered. */
  readonly logId: string
  /** Says where the log is, once it answers. @throws log-unavailable where it doesn't */
  reach(): Promise<string>
  /**
   * The topic as it is; made first where `create` says so.
   * @throws topic-missing where it isn't there and `create` is false.
   * @throws topic-mismatch where its records are kept otherwise than the spec says, or it has another number of
   * partitions. The remedy names the command.
   */
  topic(spec: TopicSpec): Promise<Topic>
  /** One a partition, as of now. */
  endOffsets(topic: Topic): Promise<readonly Offset[]>
  /**
   * Reads one partition on from a position. Needs no group. Fetches ahead by a bounded amount.
   * One reader isn't shared: a catch-up has its own. Position 0 is always good: reading begins where the log does.
   * @param leaderEpoch of the record before the position, where it is known: the reader then notices that the log was cut below, and has grown again.
   */
  reader(topic: Topic, partition: number, position: Offset, leaderEpoch?: number): LogReader
  /** Appends to the topic. One writer a topic and process. */
  writer(topic: Topic): LogWriter
  /**
   * Takes part in folding the topic: each partition is assigned to one member of the group at a time, as far as the log can tell. A member that
   * was paused may think it still holds a partition: the stores' compare-and-set is what keeps that harmless.
   */
  join(group: string, topic: Topic, member: GroupMember): Promise<Membership>
  /** How many members the group has now; undefined where that can't be told. For telling whether waiting for a fold makes sense. */
  members(group: string): Promise<number | undefined>
  /**
   * Whether deletes may be missing from a fold up to this checkpoint: tombstones at or beyond its position that compaction has removed since. Then
   * the keys they deleted would stay for ever, and only a fold from 0 is right. A log that knows what it removed answers exactly
   * (`tombstonesRemovedTo`), another by time (`atEndMs` and the topic's retention of deletes). None are at position 0.
   * - none: no delete is missing.
   * - none-at-end: nor is there anything beyond the position, as of a moment after the call.
   * - possible: there may be some missing.
   * @throws log-unavailable
   */
  missingDeletes(topic: Topic, partition: number, since: Pick<Checkpoint, 'position' | 'atEndMs' | 'tombstonesRemovedTo'>): Promise<MissingDeletes>
  close(): Promise<void>
}

export type MissingDeletes = 'none' | 'none-at-end' | 'possible'

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** Copies of each partition; -1: the log's default. The embedded log has one. */
  readonly replication: number
  readonly create: boolean
  /** Longest record (key and value) of a topic that is yet to be made; without it, the log's default. */
  readonly recordBytesMax?: number
  /**
   * Without it: compacted, and nothing else, as a fold needs it. With it: compacted, and any record is removed some time after it is so old. What
   * such a topic says is for the moment: the embedded log doesn't wait for the disk, so that a power cut may take the last of it; and where a reader
   * stood still, the log may begin beyond its position (`offset-out-of-range`).
   */
  readonly deleteAfterMs?: number
}

export interface Topic {
  readonly name: string
  /** Identity: a topic made again under the same name has another. */
  readonly id: string
  readonly partitions: number
  /** Longest record (key and value) the topic takes. */
  readonly recordBytesMax: number
  /**
   * For so long a tombstone stays at least, as it was when the topic was asked for; left out where the log
   * tells exactly what it removed. Milliseconds.
   */
  readonly deletesKeptMs?: number | undefined
}

export interface LogReader {
  /**
   * The next stretch. Waits until there is a record, or `waitMs` has passed: then an empty stretch that tells the end offset as of now.
   * One call at a time. Retries by itself while the log is away, so it may take longer than `waitMs`.
   * @throws offset-out-of-range where the position lies below the log's start or beyond its end, or the log was cut below it; never a silent reset.
   * @throws topic-missing, topic-mismatch where the topic is gone, was made again, or has other partitions now. @throws log-corrupt
   * @throws closed after `close`, also for a call under way.
   */
  next(waitMs: number): Promise<Stretch>
  close(): void
}

/**
 * What became of one record.
 * - appended: in the log, on stable storage.
 * - refused: not in the log, and the same record would be refused again (too large, say).
 * - not-sent: not in the log; the log was away, or an earlier record of the call had no certain outcome.
 * - unknown: no answer in time. It may still land.
 */
export type AppendOutcome =
  | { readonly kind: 'appended'; readonly offset: Offset }
  | { readonly kind: 'refused'; readonly cause: unknown }
  | { readonly kind: 'not-sent'; readonly cause: unknown }
  | { readonly kind: 'unknown'; readonly cause: unknown }

export interface LogWriter {
  /**
   * Appends in the order given, a partition at a time. Calls that overlap may share one round trip or fsync. Answers within `deadlineMs`, one outcome
   * a record, in the order given; throws only `closed`.
   */
  append(records: readonly NewRecord[], deadlineMs: number): Promise<readonly AppendOutcome[]>
}

export interface GroupMember {
  /** These partitions are yours, in addition to what you have. */
  assigned(partitions: readonly number[]): void
  /** These partitions go to somebody else once the promise settles, or a session timeout has passed. */
  revoked(partitions: readonly number[]): Promise<void>
  /** Membership is lost for good; the process should end with this message. */
  failed(error: Error): void
}

export interface Membership {
  /** Gives the partitions up (`revoked` is called and awaited first). */
  leave(): Promise<void>
}
