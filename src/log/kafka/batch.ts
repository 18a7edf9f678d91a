import { LogfoldError } from '../../model/errors.ts'
import type { NewRecord } from '../../model/record.ts'
import type { Share, ShareQueue } from './append-call.ts'
import type { Numbering } from './producer-ids.ts'
import { BATCH_HEADER_BYTES } from './records/batch.ts'
import { encodeBatch, type RecordToEncode, recordBytesBound } from './records/encode.ts'

/** A batch under way. Its bytes stay the same for as long as it exists. */
export interface Batch {
  readonly bytes: Uint8Array
  readonly count: number
  /** Those whose records are in it, in order. */
  readonly shares: readonly Share[]
  /** Of its shares, those not yet told anything. */
  alive: number
  /** A request that holds it is on the wire. */
  sent: boolean
  /** An earlier attempt may have appended it, or may do so yet: no other bytes may follow under its sequence. */
  uncertain: boolean
}

/** Of one batch. The first record goes whatever its size. */
export interface BatchLimits {
  readonly bytesMax: number
  readonly recordsMax: number
}

/** What the first record of the queue takes in a batch of its own, at most. */
export const firstBatchBytes = ({ first }: ShareQueue): number =>
  first === undefined ? 0 : BATCH_HEADER_BYTES + recordBytesBound(recordAt(first, first.next))

/** Takes from the front of the queue as much as one batch holds. */
export function cutBatch(queue: ShareQueue, numbering: Numbering, { bytesMax, recordsMax }: BatchLimits, nowMs: number): Batch {
  const shares: Share[] = []
  const records: RecordToEncode[] = []
  let bytesBound = BATCH_HEADER_BYTES
  for (let share = queue.first; share !== undefined; share = queue.first) {
    for (; share.next < share.places.length; share.next++) {
      const record = recordAt(share, share.next)
      const bound = recordBytesBound(record)
      if (records.length > 0 && (bytesBound + bound > bytesMax || records.length >= recordsMax)) break
      records.push({ key: record.key, value: record.value, timestampMs: nowMs })
      bytesBound += bound
    }
    if (share.inBatch) shares.push(share)
    if (share.next < share.places.length) break
    queue.remove(share)
  }
  const { producerId, epoch, sequence } = numbering
  const bytes = encodeBatch({ records, producerId, producerEpoch: epoch, baseSequence: sequence })
  return { bytes, count: records.length, shares, alive: shares.length, sent: false, uncertain: false }
}

function recordAt({ call, places }: Share, at: number): NewRecord {
  const record = call.records[places[at] ?? -1]
  if (record === undefined) throw new LogfoldError('internal', 'A call has each of its records')
  return record
}
