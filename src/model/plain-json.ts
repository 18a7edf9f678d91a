import { isUtf8 } from 'node:buffer'
import { limits } from './limits.ts'

/**
 * A check of JSON that makes nothing: no text, no value. `JSON.parse` on the same bytes costs several times as much, nearly
 * all of it for what is thrown away at once.
 *
 * It says yes only to what the slower check in `value.ts` takes too, and no also where it doesn't know: then the slower one decides, and gives the
 * reason. So it needn't know escapes by code (`\u…`), and has no errors.
 */

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, sign => sign.charCodeAt(0))
const TRUE = bytesOf('true')
const FALSE = bytesOf('false')
const NULL = bytesOf('null')

/** By byte: what may stand in a string as it is. Bytes outside ASCII are looked at separately. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) => Number(byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH))
/** By byte: what may follow a backslash, but for `u`. */
const ESCAPED = new Uint8Array(256)
for (const byte of bytesOf('"\\/bfnrt')) ESCAPED[byte] = 1

/** What is open where the scan stands, from the outermost: `CLOSE_ARRAY` or `CLOSE_OBJECT`. Used anew by each scan. */
const closings = new Uint8Array(limits.jsonDepthMax)
/** The bytes looked at last, kept because one buffer holds many values. */
let seen: Uint8Array = new Uint8Array()
let words: DataView = new DataView(seen.buffer)
/** Whether the scan met a byte outside ASCII. */
let wide = false

/** Whether `bytes` from `start` to `end` are surely JSON in UTF-8 inside our limits: not too deep, no lone surrogate, no NUL. */
export function isPlainJson(bytes: Uint8Array, start: number, end: number): boolean {
  if (seen !== bytes) {
    seen = bytes
    words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }
  wide = false
  return pastValue(bytes, start, end) === end && (!wide || isUtf8(bytes.subarray(start, end)))
}

/** These and those below: the position behind what stands at `at`, or -1 where it isn't that. Space around a value belongs to it. */
function pastValue(bytes: Uint8Array, from: number, end: number): number {
  let depth = 0
  let at = from
  for (;;) {
    at = pastSpace(bytes, at, end)
    const first = at < end ? (bytes[at] ?? 0) : 0
    if (first === OPEN_OBJECT || first === OPEN_ARRAY) {
      const closing = first === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY
      if (depth === closings.length) return -1
      at = pastSpace(bytes, at + 1, end)
      if (at >= end || bytes[at] !== closing) {
        closings[depth++] = closing
        if (closing === CLOSE_OBJECT) at = pastName(bytes, at, end)
        if (at < 0) return -1
        continue
      }
      at++
    } else at = pastScalar(bytes, at, end, first)
    if (at < 0) return -1
    // What it stands in ends, perhaps several of them, or goes on.
    for (;;) {
      at = pastSpace(bytes, at, end)
      if (depth === 0) return at
      const next = at < end ? bytes[at++] : 0
      if (next === COMMA) break
      if (next !== closings[--depth]) return -1
    }
    if (closings[depth - 1] === CLOSE_OBJECT) at = pastName(bytes, pastSpace(bytes, at, end), end)
    if (at < 0) return -1
  }
}

/** A member's name and its colon. */
function pastName(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== QUOTE) return -1
  const behind = pastString(bytes, at + 1, end)
  if (behind < 0) return -1
  const colon = pastSpace(bytes, behind, end)
  return colon < end && bytes[colon] === COLON ? colon + 1 : -1
}

function pastScalar(bytes: Uint8Array, at: number, end: number, first: number): number {
  if (first === QUOTE) return pastString(bytes, at + 1, end)
  if (first === MINUS || isDigit(first)) return pastNumber(bytes, at, end)
  const word = first === TRUE[0] ? TRUE : first === FALSE[0] ? FALSE : first === NULL[0] ? NULL : undefined
  return word === undefined ? -1 : pastWord(bytes, at, end, word)
}

/** From behind the opening quote. Most of a value's bytes stand in its strings, so these are looked at four at a time. */
function pastString(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end) {
    while (at + 4 <= end && isPlainWord(words.getInt32(at, true))) at += 4
    while (at < end && PLAIN[bytes[at] ?? 0] === 1) at++
    if (at >= end) return -1
    const byte = bytes[at++] ?? 0
    if (byte === QUOTE) return at
    if (byte >= 0x80) wide = true
    else if (byte !== BACKSLASH || at >= end || ESCAPED[bytes[at++] ?? 0] !== 1) return -1
  }
  return -1
}

/**
 * Whether all four bytes are plain. The first term has the upper bit of a byte set where that is below 0x20, the others where it is a quote or a
 * backslash; and one of these two where it is no ASCII.
 */
const isPlainWord = (four: number): boolean =>
  (((four - 0x20202020) | ((four ^ 0x22222222) - 0x01010101) | ((four ^ 0x5c5c5c5c) - 0x01010101)) & 0x80808080) === 0

function pastNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = bytes[from] === MINUS ? from + 1 : from
  const zero = at < end && bytes[at] === DIGIT_0
  at = zero ? at + 1 : pastDigits(bytes, at, end)
  if (at >= 0 && at < end && bytes[at] === DOT) at = pastDigits(bytes, at + 1, end)
  // e, E
  if (at >= 0 && at < end && ((bytes[at] ?? 0) | 0x20) === 0x65) {
    at++
    if (at < end && (bytes[at] === MINUS || bytes[at] === 0x2b)) at++
    at = pastDigits(bytes, at, end)
  }
  return at
}

/** One at least. */
function pastDigits(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && isDigit(bytes[at] ?? 0)) at++
  return at > from ? at : -1
}

const isDigit = (byte: number): boolean => byte >= DIGIT_0 && byte <= DIGIT_9

function pastWord(bytes: Uint8Array, from: number, end: number, word: Uint8Array): number {
  if (end - from < word.length) return -1
  for (let nth = 0; nth < word.length; nth++) if (bytes[from + nth] !== word[nth]) return -1
  return from + word.length
}

/** Space, tab, line feed, carriage return; perhaps none. */
function pastSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end) {
    const byte = bytes[at] ?? 0
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break
    at++
  }
  return at
}
