import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LogfoldError } from '../../model/errors.ts'
import type { Offset } from '../../model/record.ts'
import { transaction } from '../../sqlite/open.ts'
import { moving, serve } from '../../sqlite/thread-host.ts'
import { type Clock, nowBy } from './clock.ts'
import { openLogFile, PARTITIONS_PER_FILE_MAX } from './file.ts'
import { leaseIsHeld } from './lease-row.ts'
import type { PackedStretch } from './packed-stretch.ts'
import { type RangeBounds, RangeReader } from './range.ts'

/** The thread that reads, so that no read waits for an fsync. */

let file: { readonly db: DatabaseSync; readonly range: RangeReader; readonly version: StatementSync } | undefined
let seenVersion: unknown

function opened(): NonNullable<typeof file> {
  if (file === undefined) throw new Error('open comes first')
  return file
}

const functions = {
  open(path: string): void {
    const { db } = openLogFile(path)
    db.exec('PRAGMA query_only = ON')
    file = { db, range: new RangeReader(db), version: db.prepare('PRAGMA data_version') }
  },
  read(number: number, from: Offset, bounds: RangeBounds): PackedStretch {
    const { db, range } = opened()
    const stretch = transaction(db, 'deferred', () => {
      const ends = range.ends(number)
      if (from < 0 || from > ends.endOffset) {
        throw new LogfoldError('offset-out-of-range', `Position ${from} is not among the offsets 0 to ${ends.endOffset}`, {
          remedy: 'The log was replaced by another, or an older copy of itself: rebuild the view',
        })
      }
      return range.read(number, from, ends, bounds)
    })
    const { offsets, timesMs, lengths, bytes } = stretch
    return moving(stretch, [offsets.buffer, timesMs.buffer, lengths.buffer, bytes.buffer])
  },
  /** Of `count` partitions, by number from `first` on. */
  endOffsets(first: number, count: number): readonly Offset[] {
    const rows = opened()
      .db.prepare('SELECT next_offset FROM partitions WHERE number >= ? AND number < ? ORDER BY number')
      .all(first, first + count)
    return rows.map(row => Number(row.next_offset))
  },
  /** End offsets of every partition of the file, by number; undefined when nobody has written to it since the last call. */
  changes(): readonly Offset[] | undefined {
    const version = opened().version.get()?.data_version
    if (version === seenVersion) return undefined
    const ends = functions.endOffsets(0, PARTITIONS_PER_FILE_MAX)
    seenVersion = version
    return ends
  },
  leaseIsHeld: (host: string, clock: Clock): boolean => leaseIsHeld(opened().db, host, nowBy(clock)),
  tombstonesRemovedTo: (number: number): Offset => opened().range.ends(number).tombstonesRemovedTo,
  close: () => file?.db.close(),
}

export type ReaderFunctions = typeof functions

serve(functions)
