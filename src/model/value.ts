import { isUtf8 } from 'node:buffer'
import { bufferOf } from './bytes.ts'
import { type ErrorDetail, messageOf } from './errors.ts'
import type { Fault } from './fault.ts'
import type { ViewFormat } from './generation.ts'
import { limits } from './limits.ts'
import { isPlainJson } from './plain-json.ts'

/** Checks a parsed JSON value against a view's JSON Schema. Empty when it fits. */
export type SchemaCheck = (value: unknown) => readonly ErrorDetail[]

/**
 * What keeps these bytes from being a value of the format. Undefined when nothing does. Checked once, in the fold and in REST alike, so that no
 * store needs an opinion: Postgres's json and text take every value that passes (no NUL, no lone surrogate).
 * The bytes are kept as they are: numbers of any size, names that occur twice and white space are not touched.
 */
export function valueFault(format: ViewFormat, value: Uint8Array, schema?: SchemaCheck): Fault | undefined {
  if (value.length > limits.valueBytesMax) {
    return {
      reason: 'value-too-large',
      detail: `The value has ${value.length} bytes; at most ${limits.valueBytesMax} are allowed`,
    }
  }
  if (format === 'bytes') return undefined
  if (!isUtf8(value)) return { reason: 'value-not-utf8', detail: 'The value is not valid UTF-8' }
  if (format === 'text') return value.includes(0) ? { reason: 'value-nul', detail: 'The value contains a NUL character' } : undefined
  return jsonFault(bufferOf(value), schema)
}

/** Whether `valueFault` surely has nothing against a JSON value, without a schema; false also where that isn't known. Costs a fraction of it. */
export const isPlainJsonValue = (bytes: Uint8Array, start: number, end: number): boolean =>
  end - start <= limits.valueBytesMax && isPlainJson(bytes, start, end)

function jsonFault(value: Buffer, schema: SchemaCheck | undefined): Fault | undefined {
  if (depthExceeds(value, limits.jsonDepthMax)) {
    return { reason: 'value-too-deep', detail: `The value nests deeper than ${limits.jsonDepthMax} arrays and objects` }
  }
  const text = value.toString('utf8')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    return { reason: 'value-not-json', detail: `The value is not JSON: ${messageOf(error)}` }
  }
  const faulty = text.includes('\\u') ? escapeFault(text) : undefined
  if (faulty !== undefined) return faulty
  const errors = schema?.(parsed) ?? []
  if (errors.length === 0) return undefined
  return { reason: 'value-schema-mismatch', detail: 'The value does not fit the JSON Schema of the view', errors }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * Looks at the bytes, so that a value too deep is never parsed. Bytes outside ASCII never equal one of these signs in UTF-8.
 * On bytes that are no JSON the answer may be wrong; the parser then refuses them, or they are refused as too deep.
 */
function depthExceeds(value: Buffer, depthMax: number): boolean {
  if (value.length < 2 * (depthMax + 1) || opened(value, depthMax + 1) <= depthMax) return false
  let depth = 0
  let inString = false
  for (let at = 0; at < value.length; at++) {
    const byte = value[at]
    if (inString) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++depth > depthMax) return true
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
  }
  return false
}

/** How many signs open something, in strings too, but no more than `most`: nearly every value has so few that it needs no look at each byte. */
function opened(value: Buffer, most: number): number {
  let count = 0
  for (const sign of [OPEN_OBJECT, OPEN_ARRAY]) {
    for (let at = value.indexOf(sign); at >= 0 && count < most; at = value.indexOf(sign, at + 1)) count++
  }
  return count
}

/**
 * Bytes of UTF-8 can't hold a lone surrogate, and JSON allows no raw NUL; so both can only come from an escape. Looks at the text, not at the
 * parsed value, where the first of two members with one name is gone.
 */
function escapeFault(text: string): Fault | undefined {
  let high = -1
  for (const match of text.matchAll(/\\(?:u([0-9a-fA-F]{4})|[^u])/g)) {
    const unit = match[1] === undefined ? -1 : Number.parseInt(match[1], 16)
    if (unit === 0) return { reason: 'value-nul', detail: 'The value contains \\u0000' }
    const follows = high >= 0 && high === match.index
    if (unit >= 0xdc00 && unit <= 0xdfff) {
      if (!follows) return loneSurrogate(match[0])
      high = -1
      continue
    }
    if (high >= 0) return loneSurrogate(text.slice(high - 6, high))
    if (unit >= 0xd800 && unit <= 0xdbff) high = match.index + 6
  }
  return high >= 0 ? loneSurrogate(text.slice(high - 6, high)) : undefined
}

const loneSurrogate = (found: string): Fault => ({
  reason: 'value-lone-surrogate',
  detail: `The value contains the lone surrogate ${found}`,
})
