import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Offset } from '../../model/record.ts'
import { transaction } from '../../sqlite/open.ts'
import { placeOf } from './file.ts'
import { LatestOffsets } from './latest-offsets.ts'

/** What a step looks at, in records and bytes of their keys, and what it removes, in bytes, at most: appends wait for no more than one step. */
const STEP_RECORDS_MAX = 1_000
const STEP_KEY_BYTES_MAX = 1024 * 1024
const STEP_REMOVED_BYTES_MAX = 4 * 1024 * 1024

export interface CompactionOptions {
  readonly number: number
  readonly nowMs: number
  readonly deleteRetentionMs: number
  /** Of the map from key to last offset. A dirty part with more keys takes several rounds over the partition. */
  readonly mapBytesMax: number
}

export interface CompactionReport {
  readonly recordsRemoved: number
  readonly bytesRemoved: number
  /** Those of the records that were tombstones past their retention. */
  readonly tombstonesExpired: number
}

interface Row {
  readonly offset: Offset
  readonly timeMs: number
  /** In hexadecimal. Undefined for a null key, which no other record supersedes. */
  readonly key: string | undefined
  readonly bytes: number
  readonly isTombstone: boolean
  readonly stampedMs: number | undefined
}

interface Rows {
  readonly rows: readonly Row[]
  /** Where the next step goes on. */
  readonly next: Offset
}

/** What a step does to the table, in one transaction. */
interface Changes {
  readonly remove: Row[]
  readonly stamp: Row[]
  bytes: number
  tombstonesExpired: number
  /** -1: no tombstone is removed for its age. */
  highestExpired: Offset
}

/**
 * One pass over a partition, as Kafka's cleaner does it: a map from key to last offset is made of the dirty part (what was appended since the last
 * pass), then every record below that has a later one in the map is removed. A tombstone is stamped when a pass first reaches it, and removed by a
 * pass that comes `deleteRetentionMs` after that; by then what it deleted is long gone, as the pass that stamps it walks upwards.
 *
 * Where the topic says so, a record goes when it is old, whatever it is.
 *
 * Takes its steps one by one, so that appends get their turn between them. Touches nothing from the end offset on, as it was at the start. Stopped
 * anywhere, or run by two processes at once, it has only removed what it may: a record is removed when a later one of
 * its key was there, or when it is too old.
 *
 * Removed records leave their space to later ones. The file doesn't shrink.
 */
export class CompactionPass {
  readonly #db: DatabaseSync
  readonly #options: CompactionOptions
  readonly #statements: Statements
  #recordsRemoved = 0
  #bytesRemoved = 0
  #tombstonesExpired = 0
  #oldestStampMs: number | undefined
  /** A record with a time below goes. */
  #deletedBeforeMs = Number.NEGATIVE_INFINITY

  constructor(db: DatabaseSync, options: CompactionOptions) {
    this.#db = db
    this.#options = options
    this.#statements = prepare(db)
  }

  *steps(): Generator<undefined, CompactionReport> {
    const { number, nowMs } = this.#options
    const start = this.#statements.partition.get(number)
    if (typeof start?.delete_after_ms === 'number') this.#deletedBeforeMs = nowMs - start.delete_after_ms
    const end = Number(start?.next_offset)
    let dirtyFrom = Number(start?.compacted_to)
    do {
      const latest = new LatestOffsets(this.#options.mapBytesMax)
      dirtyFrom = yield* this.#map(latest, dirtyFrom, end)
      yield* this.#sweep(latest, dirtyFrom)
    } while (dirtyFrom < end)
    this.#statements.finish.run(end, Number(start?.dirty_bytes), this.#oldestStampMs ?? null, number)
    const recordsRemoved = this.#recordsRemoved
    return { recordsRemoved, bytesRemoved: this.#bytesRemoved, tombstonesExpired: this.#tombstonesExpired }
  }

  /** Fills the map from the dirty part, as far as it has room. Returns how far that was. */
  *#map(latest: LatestOffsets, from: Offset, end: Offset): Generator<undefined, Offset> {
    for (let at = from; at < end; ) {
      const { rows, next } = this.#rows(at, end)
      for (const { key, offset } of rows) {
        if (key !== undefined && !latest.set(key, offset)) return offset
      }
      at = next
      yield
    }
    return end
  }

  *#sweep(latest: LatestOffsets, end: Offset): Generator<undefined, void> {
    this.#oldestStampMs = undefined
    for (let at = 0; at < end; ) {
      const { rows, next } = this.#rows(at, end)
      const changes: Changes = { remove: [], stamp: [], bytes: 0, tombstonesExpired: 0, highestExpired: -1 }
      at = next
      for (const row of rows) {
        this.#decide(row, latest, changes)
        if (changes.bytes < STEP_REMOVED_BYTES_MAX) continue
        at = row.offset + 1
        break
      }
      this.#write(changes)
      yield
    }
  }

  #decide(row: Row, latest: LatestOffsets, changes: Changes): void {
    const { nowMs, deleteRetentionMs } = this.#options
    const last = row.key === undefined ? undefined : latest.get(row.key)
    const superseded = last !== undefined && last > row.offset
    const expired = row.isTombstone && row.stampedMs !== undefined && row.stampedMs + deleteRetentionMs <= nowMs
    if (superseded || expired || row.timeMs < this.#deletedBeforeMs) {
      changes.remove.push(row)
      changes.bytes += row.bytes
      if (superseded || !row.isTombstone) return
      changes.tombstonesExpired++
      changes.highestExpired = row.offset
    } else if (row.isTombstone && row.key !== undefined) {
      if (row.stampedMs === undefined) changes.stamp.push(row)
      this.#oldestStampMs = Math.min(this.#oldestStampMs ?? Number.POSITIVE_INFINITY, row.stampedMs ?? nowMs)
    }
  }

  #write(changes: Changes): void {
    if (changes.remove.length === 0 && changes.stamp.length === 0) return
    const { number, nowMs } = this.#options
    const { remove, stamp, swept } = this.#statements
    transaction(this.#db, 'immediate', () => {
      let bytes = 0
      for (const row of changes.remove) {
        if (Number(remove.run(placeOf(number, row.offset)).changes) === 0) continue
        bytes += row.bytes
        this.#recordsRemoved++
      }
      for (const row of changes.stamp) stamp.run(nowMs, placeOf(number, row.offset))
      swept.run(bytes, changes.highestExpired, number)
      this.#bytesRemoved += bytes
      this.#tombstonesExpired += changes.tombstonesExpired
    })
  }

  #rows(from: Offset, end: Offset): Rows {
    const { number } = this.#options
    const first = placeOf(number, 0)
    const rows: Row[] = []
    let sumBytes = 0
    for (const columns of this.#statements.rows.iterate(first + from, first + end)) {
      const [place, timeMs, key, keyBytes, valueBytes, stampedMs] = columns as unknown as [number, number, string, number, number, number | null]
      const offset = place - first
      rows.push({
        offset,
        timeMs,
        key: keyBytes < 0 ? undefined : key,
        bytes: Math.max(keyBytes, 0) + Math.max(valueBytes, 0),
        isTombstone: valueBytes < 0,
        stampedMs: stampedMs ?? undefined,
      })
      sumBytes += Math.max(keyBytes, 0)
      if (rows.length === STEP_RECORDS_MAX || sumBytes >= STEP_KEY_BYTES_MAX) return { rows, next: offset + 1 }
    }
    return { rows, next: end }
  }
}

type Statements = Readonly<Record<'partition' | 'rows' | 'remove' | 'stamp' | 'swept' | 'finish', StatementSync>>

function prepare(db: DatabaseSync): Statements {
  const rows = db.prepare(`
    SELECT place, time_ms, hex(key), ifnull(length(key), -1), ifnull(length(value), -1), stamped_ms
    FROM records WHERE place >= ? AND place < ? ORDER BY place`)
  rows.setReturnArrays(true)
  return {
    rows,
    partition: db.prepare(`
      SELECT next_offset, dirty_bytes, compacted_to, delete_after_ms
      FROM partitions JOIN topics ON number >= first_number AND number < first_number + topics.partitions
      WHERE number = ?`),
    remove: db.prepare('DELETE FROM records WHERE place = ?'),
    stamp: db.prepare('UPDATE records SET stamped_ms = ? WHERE place = ? AND stamped_ms IS NULL'),
    swept: db.prepare('UPDATE partitions SET bytes = bytes - ?, tombstones_removed_to = max(tombstones_removed_to, ?) WHERE number = ?'),
    finish: db.prepare(`
      UPDATE partitions SET compacted_to = max(compacted_to, ?), dirty_bytes = max(dirty_bytes - ?, 0), oldest_stamp_ms = ?
      WHERE number = ?`),
  }
}
