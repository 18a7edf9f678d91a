import type { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../model/errors.ts'
import type { Offset } from '../../model/record.ts'
import { OFFSETS_PER_PARTITION, placeOf } from './file.ts'
import { type PackedRecords, unpack } from './packed-records.ts'

/** What became of a batch: all of it has the same outcome. */
export type BatchOutcome =
  /** One offset a record. On stable storage, where the batch was to be. */
  | { readonly kind: 'appended'; readonly offsets: Float64Array<ArrayBuffer> }
  /** Nothing of it is in the log. */
  | { readonly kind: 'not-sent'; readonly message: string }
  /** The commit itself failed: after a failed fsync nobody knows what a restart will find. */
  | { readonly kind: 'unknown'; readonly message: string }

interface Tail {
  next: Offset
  bytes: number
}

/**
 * Returns a function that appends a batch in one transaction, so with one fsync, or with none where it needn't be durable: it then gets to the disk
 * with the next batch that is. It never throws.
 *
 * Two connections, as one that is told to wait for the disk no more may fail to be told to do so again.
 */
export function batchAppender(full: DatabaseSync, normal: DatabaseSync): (records: PackedRecords, durable: boolean, nowMs: number) => BatchOutcome {
  const [appendFull, appendNormal] = [appenderOver(full), appenderOver(normal)]
  return (records, durable, nowMs) => (durable ? appendFull : appendNormal)(records, nowMs)
}

function appenderOver(db: DatabaseSync): (records: PackedRecords, nowMs: number) => BatchOutcome {
  const nextOffset = db.prepare('SELECT next_offset FROM partitions WHERE number = ?')
  const insert = db.prepare('INSERT INTO records (place, time_ms, key, value) VALUES (?, ?, ?, ?)')
  const update = db.prepare('UPDATE partitions SET next_offset = ?, bytes = bytes + ?, dirty_bytes = dirty_bytes + ? WHERE number = ?')

  const readTail = (number: number): Tail => {
    const row = nextOffset.get(number)
    if (row === undefined) throw new Error(`The log file has no partition number ${number}`)
    return { next: Number(row.next_offset), bytes: 0 }
  }

  const insertAll = (records: PackedRecords, nowMs: number): Float64Array<ArrayBuffer> => {
    const tails = new Map<number, Tail>()
    const offsets = new Float64Array(records.index.length / 3)
    let nth = 0
    unpack(records, (number, key, value) => {
      const tail = tails.get(number) ?? readTail(number)
      tails.set(number, tail)
      if (tail.next >= OFFSETS_PER_PARTITION) throw new Error(`Partition number ${number} has no offsets left`)
      insert.run(placeOf(number, tail.next), nowMs, key, value)
      offsets[nth++] = tail.next++
      tail.bytes += (key?.length ?? 0) + (value?.length ?? 0)
    })
    for (const [number, { next, bytes }] of tails) update.run(next, bytes, bytes, number)
    return offsets
  }

  return (records, nowMs) => {
    let committing = false
    try {
      db.exec('BEGIN IMMEDIATE')
      const offsets = insertAll(records, nowMs)
      committing = true
      db.exec('COMMIT')
      return { kind: 'appended', offsets }
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      // Without room the record of the commit itself wasn't written. After any other failure it may be there,
      // and be found when the file is opened again.
      return { kind: committing && !isFull(error) ? 'unknown' : 'not-sent', message: messageOf(error) }
    }
  }
}

const SQLITE_FULL = 13

/** The low byte of an extended code is what happened. */
const isFull = (error: unknown): boolean => error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_FULL
