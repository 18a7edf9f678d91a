import type { Generation, Identity } from './generation.ts'
import type { Offset, Slice } from './record.ts'

/**
 * The contract between the pipeline, the API and a store.
 *
 * Words:
 * - backend: a configured store (its connections), which holds any number of generations.
 * - generation: one complete copy of a view by one definition. `job@2` in every store; a number is never used again.
 * - shard: one physical part of a backend, with a stable name. A backend without shards has one.
 * - op: set or del of one id. Batch: the ops of one stretch of one partition.
 * - checkpoint: the position a shard keeps with its data, one a partition.
 * - vouched position: up to where the shard's data equals the fold of the log. The checkpoint's position, or less after a hole.
 * - identity: what a shard's data was folded from. A generation is *opened* on a shard once (identity, and checkpoint 0 for every partition)
 *   and *dropped* once. Between the two, a shard without identity or without a checkpoint has *lost* its data; that is never read as 0.
 * - filled: the shard has reached the end offsets seen when it was opened. Kept beside the identity, so that a shard that was lost and is being
 *   folded again, alone and behind a reader's back, never passes off what it doesn't have yet as absent.
 *
 * Life of a generation on a shard: absent → open → filled → (lost → open → filled) → dropped, which is absent again.
 * Life of a backend: connected → closed. After `close` every operation throws `closed`; those under way then end first,
 * or throw it, too; closing twice is fine.
 *
 * What an operation throws is a `LogfoldError` with one of the codes named there. Every outage is `view-unavailable`, whatever the driver calls it:
 * no connection, no answer in time, wrong password, missing rights, full, locked, read-only. It is waited for. Anything else that is thrown, and
 * `internal`, counts as a bug: it ends the process with exit code 70, or, where a request or a verify meets it, that alone.
 */

export type ViewOp = SetOp | DelOp

export interface SetOp {
  readonly kind: 'set'
  readonly id: string
  readonly value: Slice
  readonly offset: Offset
  /** The record's time. Milliseconds since the epoch. */
  readonly timestampMs: number
}

export interface DelOp {
  readonly kind: 'del'
  readonly id: string
  readonly offset: Offset
}

export interface Checkpoint {
  /** The next offset to fold. */
  readonly position: Offset
  /** At most `position`; lower after a hole that compaction left, until the end offset seen with it is reached. */
  readonly vouched: Offset
  /** Epoch of the leader that wrote the last record below `position`; -1 when unknown. */
  readonly leaderEpoch: number
  /** `Stretch.tombstonesRemovedTo` as it was when the last record below `position` was fetched; -1 at first. */
  readonly tombstonesRemovedTo: Offset
  /**
   * When this partition was last known to be at the end of the log, or at 0: then no delete could be missing. Milliseconds since the epoch; 0: never.
   */
  readonly atEndMs: number
}

/** What a shard is opened with. */
export const checkpointZero: Checkpoint = { position: 0, vouched: 0, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }

/** Whether a shard with these checkpoints has folded up to these end offsets, one a partition. */
export const vouchesFor = (checkpoints: readonly Checkpoint[], endOffsets: readonly Offset[]): boolean =>
  endOffsets.every((end, partition) => (checkpoints[partition]?.vouched ?? 0) >= end)

/**
 * The ops of the stretch `[from, checkpoint.position)` of one partition, folded to the last op an id, so their order doesn't matter; for a shard that
 * stands at `from` and vouches for `vouched`. The stretch may hold more offsets than ops (holes, dead letters). A batch without ops moves the
 * checkpoint. A batch whose `from` equals `checkpoint.position` is a repair, or renews the checkpoint's other members. A repair's ops may be of any
 * id: so an entry that came to stand on the wrong shard is deleted there.
 */
export interface Batch {
  readonly partition: number
  readonly from: Offset
  /**
   * What the shard vouches for before: as it stood when the batch was made. A shard that was lost and folded again over a hole may stand at `from`,
   * and vouch for less: it lacks what the batch takes for folded.
   */
  readonly vouched: Offset
  /** The checkpoint to write with the ops. */
  readonly checkpoint: Checkpoint
  readonly ops: readonly ViewOp[]
}

/** What one shard did with a batch. A reason instead of a boolean, because the caller acts on it. */
export type ShardOutcome =
  | { readonly kind: 'applied' }
  /**
   * The shard's checkpoint isn't at `from`, or vouches for something else than `vouched`: nothing was done. Ahead: another writer was there,
   * or the batch was repeated. Behind, or at `from` with less vouched for: the shard missed a stretch, or was folded again. Either way, go on
   * from its checkpoint, for this shard alone.
   */
  | { readonly kind: 'elsewhere'; readonly checkpoint: Checkpoint }
  /** It holds no identity, or no checkpoint of this partition: flushed, replaced by an empty server, or dropped. Nothing was done. */
  | { readonly kind: 'lost' }
  /** It holds another generation's identity under this name. Nothing was done. */
  | { readonly kind: 'foreign'; readonly found: Identity }
  /** It didn't answer: nothing is known. Repeat the same batch; repeating is always safe. */
  | { readonly kind: 'unavailable'; readonly cause: unknown }
  /** It answered, and does not take the data. A bug, or a limit that isn't inside every backend's. Nothing was done. */
  | { readonly kind: 'refused'; readonly cause: unknown }

/** What a shard says of its checkpoints: one a partition, indexed by partition; or why it can't. */
export type ShardCheckpoints =
  | { readonly kind: 'open'; readonly checkpoints: readonly Checkpoint[] }
  | Extract<ShardOutcome, { kind: 'lost' | 'foreign' | 'unavailable' }>

/** The half the pipeline may hold. Shard by shard, so that one that is down or slow holds up no other. */
export interface ViewWriter {
  /**
   * Gives one shard a batch; every op in it is the shard's own (`owner`), but in a repair. It is taken only when the checkpoint's position equals
   * `from`, and what it vouches for equals `vouched`; then ops and checkpoint go in one atomic step, or neither. Throws nothing but `closed`, and
   * bugs. A caller has at most one call under way a shard and partition, and a repair beside it.
   */
  apply(shard: string, batch: Batch): Promise<ShardOutcome>
  /** Throws nothing but `closed`, and bugs. */
  checkpoints(shard: string): Promise<ShardCheckpoints>
}

export interface Entry {
  readonly id: string
  /** The exact bytes that were set. */
  readonly value: Uint8Array
}

export interface Page {
  /** May be shorter than the limit, even empty, before the end. */
  readonly entries: readonly Entry[]
  /** Undefined at the end. Opaque outside the backend. */
  readonly cursor: string | undefined
}

export interface ScanOptions {
  readonly cursor?: string | undefined
  /** Entries, at least 1. */
  readonly limit: number
}

export interface ListOptions extends ScanOptions {
  /** Only where the generation is ordered. */
  readonly prefix?: string | undefined
}

/**
 * The half the API may hold: it can't write by accident. Every answer was given in a round trip that, after the value, saw this generation's identity
 * on each shard that was asked; so absence is never the absence of a store.
 * @throws view-lost where the identity isn't there. @throws foreign-store where another's is. @throws view-unavailable when a shard doesn't answer.
 * `get` and `list` throw view-folding where one isn't filled.
 */
export interface ViewReader {
  /** One result an id, in the order asked; undefined where there is no entry. Never a partial answer. */
  get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>
  /**
   * What is there throughout comes at least once over all pages, and exactly once, in key order, in an ordered generation. Not a snapshot.
   * @throws cursor-expired for a cursor that this store can't go on from.
   */
  list(options: ListOptions): Promise<Page>
  /** The vouched positions of one shard, one a partition. */
  vouched(shard: string): Promise<readonly Offset[]>
  /** Whether one shard is filled. */
  filled(shard: string): Promise<boolean>
}

export interface ShardStats {
  readonly entries: number
  /** Undefined where the store can't tell cheaply. */
  readonly bytes: number | undefined
}

/** What stands on a shard under one id, whether or not it belongs there. */
export interface Found {
  readonly id: string
  /** The exact bytes. Undefined where there is none: then it has a place in the lists alone, or nothing stands there at all. */
  readonly value: Uint8Array | undefined
  /** Whether it has a place in the lists. Where the store keeps none, as lists go over the entries themselves, whether it is there. */
  readonly listed: boolean
}

export interface Scan {
  /** At most as many as asked for; may be fewer, even none, before the end. */
  readonly found: readonly Found[]
  /** As a page's. May have some 100 KB. */
  readonly cursor: string | undefined
}

export interface Look {
  /** Of the first of the ids, one each, in the order asked; where there are ids, of one at least. */
  readonly found: readonly Found[]
  /** The shard's, one a partition, as of the same moment: what was found is the fold up to these, or the shard was changed by somebody else. */
  readonly checkpoints: readonly Checkpoint[]
}

/** What a shard has beside its data. */
export interface Marks {
  readonly filled: boolean
  /**
   * Whether `serve` has nothing to do: people see this generation there, or something that isn't ours and stays;
   * always where the store has nothing for people.
   */
  readonly shown: boolean
}

export type OpenOutcome = 'opened' | 'kept' | 'dropped' | { readonly kind: 'foreign'; readonly found: Identity }

/**
 * Where a command stands: id of its topic, and offset. Of two of one topic the higher offset is the newer one; commands of two topics have no order.
 */
export interface CommandPlace {
  readonly topicId: string
  readonly offset: Offset
}

/** What a server may hold before it refuses more, or has to take something away. */
export interface Capacity {
  readonly of: 'memory' | 'disk'
  readonly usedBytes: number
  readonly limitBytes: number
}

/**
 * The half that changes a generation's life. Each operation may be repeated.
 *
 * A shard keeps, for good and a view, its *fence*: the uids of the generations that were dropped there, and the command by which people were last
 * shown one. It is read and written in the same atomic step as what it guards, so that nobody who acts late brings back what was dropped, or shows
 * what people were led away from. A shard that loses all it holds loses its fence, too.
 */
export interface ViewAdmin {
  /**
   * Makes a shard ready: this generation's identity, and checkpoint 0 for every partition. A shard that has both is kept as it is; one that lost
   * either is emptied of this generation and opened anew; one with another identity is left alone. `anew` empties a shard that has both, too.
   * `dropped`: this generation (by its uid) was dropped there, and nothing was done. @throws view-unavailable
   */
  open(shard: string, options?: { readonly anew?: boolean }): Promise<OpenOutcome>
  /**
   * Names the shard's present opening: another one each time it is opened. Asked for before the end offsets, so that
   * what is marked is what they were seen for.
   * @throws view-lost, foreign-store, view-unavailable
   */
  opening(shard: string): Promise<string>
  /**
   * Records, beside the identity, that the shard is filled, if its opening is this one and it vouches for every one of these end offsets (one
   * a partition): seen and recorded in one atomic step, so that a late caller can't mark a shard that was opened anew meanwhile. `open` takes
   * the mark back, unless it keeps the shard.
   * @returns whether it was recorded; false also on a shard without the identity. @throws view-unavailable
   */
  markFilled(shard: string, opening: string, endOffsets: readonly Offset[]): Promise<boolean>
  /**
   * Makes what people look at on a shard (a SQL view `job`, the key `job/serving`) show this generation.
   * @param since the command by which it serves. `outdated`: a newer command of the same topic was served by there, and nothing was done.
   * @throws view-lost, foreign-store (also of something that isn't ours), view-unavailable
   */
  serve(shard: string, since: CommandPlace): Promise<'shown' | 'outdated'>
  /**
   * Whether what `markFilled` and `serve` recorded on a shard is still there: it may have come back without. Asked each second.
   * @throws view-lost, foreign-store, view-unavailable
   */
  marks(shard: string): Promise<Marks>
  /** Of this generation; no entries where it isn't open on the shard. */
  stats(shard: string): Promise<ShardStats>
  /**
   * Everything that stands on one shard under this generation's name, filled or not, page by page: for verify, so without order and whoever owns it.
   * What is there throughout comes at least once; each page was read in a round trip that saw the identity. A page ends where its values come to
   * `limits.pageBytes`. Not promised: that nothing comes twice; what came or went meanwhile; what has a name that isn't UTF-8, as no id is one.
   * @throws view-lost, foreign-store, view-unavailable. @throws cursor-expired for a cursor that this store can't go on from: begin again.
   */
  scan(shard: string, options: ScanOptions): Promise<Scan>
  /**
   * What stands on one shard under these ids, filled or not and whoever owns them, with the shard's checkpoints; all of it, and the identity, seen in
   * one moment. Ends early where the values come to `limits.pageBytes`, or the store likes to: look again for the rest.
   * @throws view-lost also where a checkpoint is missing. @throws foreign-store, view-unavailable
   */
  look(shard: string, ids: readonly string[]): Promise<Look>
  /**
   * Takes this generation away from one shard: its identity first, in one step with the fence, so that no reader can take absence for an answer and
   * nobody opens it there again; with it what people look at, where that shows it; then all that it holds, in small steps. Other generations are
   * untouched, and so is what stands there under another identity. Settles when nothing is left, or between two steps when the signal says so;
   * repeat it to go on. @throws view-unavailable
   */
  drop(shard: string, signal?: AbortSignal): Promise<void>
}

export interface ViewBackend {
  /** Stable shard names, as configured; one name where the store has no shards. */
  readonly shards: readonly string[]
  /** The shard that owns an id. Pure, and the same in every process with the same config. */
  owner(id: string): string
  reader(generation: Generation): ViewReader
  writer(generation: Generation): ViewWriter
  admin(generation: Generation): ViewAdmin
  /** Undefined when the shard answers; else why not. Throws nothing but `closed`, and bugs. */
  ping(shard: string): Promise<Error | undefined>
  /** How full the server of a shard is; undefined where the store can't tell. @throws view-unavailable */
  capacity(shard: string): Promise<Capacity | undefined>
  close(): Promise<void>
}
