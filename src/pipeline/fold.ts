import type { Fault } from '../model/fault.ts'
import { idFault } from '../model/id.ts'
import type { Offset, RecordCursor, Slice, Stretch } from '../model/record.ts'
import { type SchemaCheck, valueFault } from '../model/value.ts'
import type { ViewFormat, ViewOp } from '../model/view-backend.ts'
import { project } from './project.ts'

/** The rules of a view's definition that decide what a record becomes. */
export interface FoldRules {
  readonly format: ViewFormat
  readonly schema: SchemaCheck | undefined
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
  const id = text(key)
  if (cursor.valueEnd < 0) return { kind: 'del', id, offset: cursor.offset }
  const fault = valueFault(rules.format, cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd), rules.schema)
  if (fault !== undefined) return faultyRecord(cursor, id, fault)
  const source: Slice = { buffer: cursor.buffer, start: cursor.valueStart, end: cursor.valueEnd }
  const value = project(source)
  return { kind: 'set', id, value, offset: cursor.offset, timestampMs: cursor.timestampMs }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')

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
