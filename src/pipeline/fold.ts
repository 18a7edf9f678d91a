import { bufferOf } from '../model/bytes.ts'
import { LogfoldError } from '../model/errors.ts'
import type { Fault } from '../model/fault.ts'
import type { ViewFormat } from '../model/generation.ts'
import { idFault, isAsciiId } from '../model/id.ts'
import type { Partitioner } from '../model/partitioner.ts'
import type { Projector } from '../model/projector.ts'
import { formatPlace, type Offset, type RecordCursor, type Slice, type Stretch } from '../model/record.ts'
import { isPlainJsonValue, type SchemaCheck, valueFault } from '../model/value.ts'
import type { ViewOp } from '../model/view-backend.ts'
import { LatestOps } from './latest-ops.ts'

/** The rules of a view's definition that decide what a record becomes. */
export interface FoldRules {
  readonly format: ViewFormat
  readonly schema: SchemaCheck | undefined
  /** How the topic's writers choose one of its partitions; undefined where no rule is known. */
  readonly partitioner: { readonly partitionOf: Partitioner; readonly partitions: number } | undefined
  /** Left out: what is stored is the record's value. `fold` itself doesn't use it; `foldProjected` does. */
  readonly projector?: Projector | undefined
}

/** What runs for the rules, as a projection's thread does, goes on until all that hold them have released them. */
export interface HeldRules {
  readonly rules: FoldRules
  /** May be repeated. To be called when nothing is folded by them any more, or is to end in the middle of it. */
  release(): Promise<void>
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

/** Where the ops of the records go that fold. */
interface Ops {
  readonly ops: readonly ViewOp[]
  /** @param cursor stands at the op's record */
  put(op: ViewOp, cursor: RecordCursor): void
}

/**
 * Folds the part of a stretch that lies below `until`: for each id the op of its last record that folds. Pure. A faulty record leaves
 * the op of an earlier one as it is.
 * @throws wrong-partition for a record that the partitioner would have put elsewhere: records of its key may
 * stand in two partitions, where no order holds
 */
export function fold(stretch: Stretch, until: Offset, rules: FoldRules, latest: Ops = new LatestOps(stretch.bytes)): Folded {
  const faulty: FaultyRecord[] = []
  let records = 0
  let lastTimestampMs: number | undefined
  const cursor = stretch.records()
  while (cursor.next() && cursor.offset < until) {
    records++
    lastTimestampMs = cursor.timestampMs
    const id = idOf(cursor)
    if (typeof id !== 'string') {
      faulty.push(faultyRecord(cursor, undefined, id))
      continue
    }
    if (rules.partitioner !== undefined) checkPartition(stretch.partition, cursor, rules.partitioner)
    const fault = faultOf(cursor, rules)
    if (fault === undefined) latest.put(opOf(cursor, id), cursor)
    else faulty.push(faultyRecord(cursor, id, fault))
  }
  return { next: Math.min(stretch.next, until), records, lastTimestampMs, ops: latest.ops, faulty }
}

/** The key as an id, or why it is none. */
function idOf({ buffer, keyStart, keyEnd }: RecordCursor): string | Fault {
  if (keyEnd < 0) return { reason: 'key-null', detail: 'The record has no key' }
  const bytes = bufferOf(buffer)
  if (isAsciiId(bytes, keyStart, keyEnd)) return bytes.toString('latin1', keyStart, keyEnd)
  return idFault(bytes.subarray(keyStart, keyEnd)) ?? bytes.toString('utf8', keyStart, keyEnd)
}

function faultOf({ buffer, valueStart, valueEnd }: RecordCursor, { format, schema }: FoldRules): Fault | undefined {
  if (valueEnd < 0) return undefined
  // What a schema judges has to be parsed anyway.
  const plain = format === 'json' && schema === undefined && isPlainJsonValue(buffer, valueStart, valueEnd)
  return plain ? undefined : valueFault(format, buffer.subarray(valueStart, valueEnd), schema)
}

function opOf(cursor: RecordCursor, id: string): ViewOp {
  if (cursor.valueEnd < 0) return { kind: 'del', id, offset: cursor.offset }
  const value: Slice = { buffer: cursor.buffer, start: cursor.valueStart, end: cursor.valueEnd }
  return { kind: 'set', id, value, offset: cursor.offset, timestampMs: cursor.timestampMs }
}

function checkPartition(partition: number, cursor: RecordCursor, { partitionOf, partitions }: NonNullable<FoldRules['partitioner']>): void {
  const belongs = partitionOf(cursor.buffer, partitions, cursor.keyStart, cursor.keyEnd)
  if (belongs === partition) return
  throw new LogfoldError(
    'wrong-partition',
    `The record at ${formatPlace(partition, cursor.offset)} belongs to partition ${belongs} by the view's partitioner, so whoever wrote it uses another one`,
    {
      remedy:
        "Name in the config, as the view's partitioner, what the topic's writers use (murmur2, crc32), and start logfold again. Where they use several, bring them into line, and name `any`, as the record stays: the view is then folded all the same, REST doesn't write to it, and records of one key in two partitions have no order",
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
