import { isUtf8 } from 'node:buffer'
import { messageOf } from '../../model/errors.ts'
import type { FileLine } from './lines.ts'

/** A line as it goes to the server. */
export interface LoadEntry {
  readonly kind: 'entry'
  readonly line: number
  readonly endByte: number
  /** `{"id": …, "value": …}` without a line end. */
  readonly text: Buffer
  /** Without one the server makes an id up, and a repeated line is a second entry. */
  readonly hasId: boolean
}

/** A line that can't be one, whatever the server thinks of it. */
export interface BadLine {
  readonly kind: 'bad'
  readonly line: number
  readonly endByte: number
  readonly detail: string
}

/**
 * Reads a line `{id?, value}`; or, with `idMember`, a line that is the value, and has its id in that member. The bytes of the value stay as they are.
 * Undefined for a line with nothing in it.
 */
export function entryOf(line: FileLine, idMember: string | undefined): LoadEntry | BadLine | undefined {
  const { number, bytes, endByte } = line
  const bad = (detail: string): BadLine => ({ kind: 'bad', line: number, endByte, detail })
  if (bytes === undefined) return bad('The line is longer than any value can be')
  if (!isUtf8(bytes)) return bad('The line is not valid UTF-8')
  const source = bytes.toString('utf8')
  if (source.trim() === '') return undefined
  let parsed: unknown
  try {
    parsed = JSON.parse(source)
  } catch (error) {
    return bad(`The line is not JSON: ${messageOf(error)}`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return bad('The line is not a JSON object')
  const members = parsed as Record<string, unknown>
  if (idMember === undefined) {
    if (!Object.hasOwn(members, 'value')) return bad('The line has no value. A line that is the value itself needs --id MEMBER')
    return { kind: 'entry', line: number, endByte, text: bytes, hasId: Object.hasOwn(members, 'id') }
  }
  const id = Object.hasOwn(members, idMember) ? members[idMember] : undefined
  if (typeof id !== 'string' && !Number.isSafeInteger(id)) {
    return bad(id === undefined ? `The line has no member ${idMember}` : `The member ${idMember} is no text and no whole number`)
  }
  const text = Buffer.concat([Buffer.from(`{"id":${JSON.stringify(String(id))},"value":`), bytes, Buffer.from('}')])
  return { kind: 'entry', line: number, endByte, text, hasId: true }
}
