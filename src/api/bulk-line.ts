import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { LogfoldError } from '../model/errors.ts'
import type { ViewFormat } from '../model/generation.ts'
import { limits } from '../model/limits.ts'
import { type SchemaCheck, valueFault } from '../model/value.ts'
import { checkedId, faultError } from './faults.ts'
import { type Member, membersOf, parseString } from './json-members.ts'

/** One write of a bulk request. */
export interface BulkEntry {
  readonly id: string
  /** Null deletes. */
  readonly value: Uint8Array | null
}

export interface BulkRules {
  readonly format: ViewFormat
  readonly schema: SchemaCheck | undefined
}

/** Room for the id, with every byte of it escaped, and the names around it. */
const LINE_EXTRA_BYTES = 8 * 1024
/** How many bytes of JSON one byte of a value can take: itself, `\u0001`, or base64. */
const JSON_BYTES_MAX: Readonly<Record<ViewFormat, number>> = { json: 1, text: 6, bytes: 4 / 3 }

/** Longest line that can hold a value inside the limits. */
export const lineBytesMax = (format: ViewFormat): number => Math.ceil(limits.valueBytesMax * JSON_BYTES_MAX[format]) + LINE_EXTRA_BYTES

/**
 * Reads a line `{id?, value}`. A value of a json view is the very bytes of the line, so that numbers of any size and names that occur twice stay as
 * they were written; text is a JSON string, bytes are base64. Without an id there is a new one.
 * @throws invalid-request, invalid-id, invalid-value, schema-mismatch, too-large
 */
export function readBulkLine(line: Buffer, { format, schema }: BulkRules): BulkEntry {
  if (!isUtf8(line)) throw refused('The line is not valid UTF-8')
  const members = membersOf(line)
  if (members === undefined) throw refused('The line is not a JSON object')
  const idMember = only(members, 'id')
  const valueMember = only(members, 'value')
  const other = members.find(({ name }) => name !== 'id' && name !== 'value')
  if (other !== undefined) throw refused(`There is no member ${JSON.stringify(other.name.slice(0, 100))}`)
  if (valueMember === undefined) throw refused('The line has no value')
  const id = idMember === undefined ? undefined : parseString(line.subarray(idMember.start, idMember.end))
  if (idMember !== undefined && id === undefined) throw refused('The id is not a string')
  if (id !== undefined) checkedId(id)
  const value = readValue(line.subarray(valueMember.start, valueMember.end), format)
  if (value === null) {
    if (id === undefined) throw refused('A line that deletes needs an id')
    return { id, value }
  }
  const fault = valueFault(format, value, schema)
  if (fault !== undefined) throw faultError(fault)
  return { id: id ?? randomUUID(), value }
}

/** Which of two members counts is nobody's to guess. */
function only(members: readonly Member[], name: string): Member | undefined {
  const found = members.filter(member => member.name === name)
  if (found.length > 1) throw refused(`The line has ${name} twice`)
  return found[0]
}

function readValue(json: Buffer, format: ViewFormat): Uint8Array | null {
  if (json.equals(NULL)) return null
  if (format === 'json') return json
  const text = parseString(json)
  if (text === undefined) throw invalidValue('The value is not a string')
  if (format === 'text') {
    if (!text.isWellFormed()) throw invalidValue('The value has a lone surrogate, which UTF-8 cannot write')
    return Buffer.from(text)
  }
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw invalidValue('The value is not base64')
  return bytes
}

const NULL = Buffer.from('null')

const refused = (detail: string): LogfoldError =>
  new LogfoldError('invalid-request', detail, {
    remedy: 'Send one JSON object a line: {"id": "…", "value": …}. Without id there is a new one; with the value null the entry is deleted.',
  })

const invalidValue = (detail: string): LogfoldError =>
  new LogfoldError('invalid-value', detail, { remedy: 'Send text as a JSON string, bytes as a JSON string of base64.' })
