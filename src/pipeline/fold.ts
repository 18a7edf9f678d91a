import { bufferOf } from '../model/bytes.ts'
import { LogfoldError } from '../model/errors.ts'
import type { Fault } from '../model/fault.ts'
import { idFault } from '../model/id.ts'
import { formatPlace, type Offset, type RecordCursor, type Slice, type Stretch } from '../model/record.ts'
import { type SchemaCheck, valueFault } from '../model/value.ts'
import type { ViewFormat, ViewOp } from '../model/view-backend.ts'
import { project } from './project.ts'

/** The rules of a view's definition that decide what a record becomes. */
export interface FoldRules {
  readonly format: ViewFormat
  readonly schema: SchemaCheck | undefined
  /** How the topic's writers choose one of its partitions; undefined where no rule is known. */
  readonly partitioner: ((key: Uint8Array) => number) | undefined
}

/** A record that can't be folded, as the log has it. */
export interface FaultyRecord {
  readonly offset: Offset
  readonly timestampMs: number
  /** Undefined where the key is no id. */
  readonly id: string | undefined
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly fault: Fault
}

export interface Folded {
  /** The position after the records looked at. */
  readonly next: Offset
  readonly records: number
  /** Of the last record looked at. */
  readonly lastTimestampMs: number | undefined
  /** The last op of each id. */
  readonly ops: readonly ViewOp[]
  readonly faulty: readonly FaultyRecord[]
}

/**
 * Folds the part of a stretch that lies below `until`: for each id the op of its last record that folds. Pure. A faulty record leaves
 * the op of an earlier one as it is.
 * @throws wrong-partition for a record that the partitioner would have put elsewhere: records of its key may stand in two partitions, where no order holds
 */
export function fold(stretch: Stretch, until: Offset, rules: FoldRules): Folded {
  const ops = new Map<string, ViewOp>()
  const faulty: FaultyRecord[] = []
  let records = 0
  let lastTimestampMs: number | undefined
  const cursor = stretch.records()
  while (cursor.next() && cursor.offset < until) {
    records++
    lastTimestampMs = cursor.timestampMs
    const decoded = decode(cursor, rules)
    if (rules.partitioner !== undefined && decoded.id !== undefined) checkPartition(stretch.partition, cursor, rules.partitioner)
    if ('fault' in decoded) faulty.push(decoded)
    else ops.set(decoded.id, decoded)
  }
  return { next: Math.min(stretch.next, until), records, lastTimestampMs, ops: [...ops.values()], faulty }
}

function decode(cursor: RecordCursor, rules: FoldRules): ViewOp | FaultyRecord {
  if (cursor.keyEnd < 0) return faultyRecord(cursor, undefined, { reason: 'key-null', detail: 'The record has no key' })
  const key = cursor.buffer.subarray(cursor.keyStart, cursor.keyEnd)
  const keyFault = idFault(key)
  if (keyFault !== undefined) return faultyRecord(cursor, undefined, keyFault)
  const id = bufferOf(key).toString('utf8')
  if (cursor.valueEnd < 0) return { kind: 'del', id, offset: cursor.offset }
  const fault = valueFault(rules.format, cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd), rules.schema)
  if (fault !== undefined) return faultyRecord(cursor, id, fault)
  const source: Slice = { buffer: cursor.buffer, start: cursor.valueStart, end: cursor.valueEnd }
  const value = project(source)
  return { kind: 'set', id, value, offset: cursor.offset, timestampMs: cursor.timestampMs }
}

function checkPartition(partition: number, cursor: RecordCursor, partitioner: (key: Uint8Array) => number): void {
  const belongs = partitioner(cursor.buffer.subarray(cursor.keyStart, cursor.keyEnd))
  if (belongs === partition) return
  throw new LogfoldError(
    'wrong-partition',
    `The record at ${formatPlace(partition, cursor.offset)} belongs to partition ${belongs} by the view's partitioner, so whoever wrote it uses another one`,
    {
      remedy:
        "Name in the config, as the view's partitioner, what the topic's writers use (murmur2, crc32), or let all of them use this one. With `partitioner: any` the view is folded all the same: REST doesn't write to it, and records of one key in two partitions have no order",
    },
  )
}

function faultyRecord(cursor: RecordCursor, id: string | undefined, fault: Fault): FaultyRecord {
  return {
    offset: cursor.offset,
    timestampMs: cursor.timestampMs,
    id,
    key: cursor.keyEnd < 0 ? null : cursor.buffer.slice(cursor.keyStart, cursor.keyEnd),
    value: cursor.valueEnd < 0 ? null : cursor.buffer.slice(cursor.valueStart, cursor.valueEnd),
    fault,
  }
}
