/** A member of a JSON object, and where its value stands in the bytes. */
export interface Member {
  readonly name: string
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
const isOpen = (byte: number | undefined): boolean => byte === OPEN_OBJECT || byte === OPEN_ARRAY
const isClose = (byte: number | undefined): boolean => byte === CLOSE_OBJECT || byte === CLOSE_ARRAY

/**
 * The members of a JSON object in UTF-8, in the order written, doubled names included; undefined where the bytes are no such object. What is
 * between a member's `start` and `end` is not looked into: the bytes are JSON exactly when each of these stretches is.
 */
export function membersOf(json: Buffer): readonly Member[] | undefined {
  const members: Member[] = []
  let at = skipSpace(json, 0)
  if (json[at] !== OPEN_OBJECT) return undefined
  at = skipSpace(json, at + 1)
  if (json[at] === CLOSE_OBJECT) return skipSpace(json, at + 1) === json.length ? members : undefined
  for (;;) {
    const member = memberAt(json, at)
    if (member === undefined) return undefined
    members.push(member)
    at = skipSpace(json, member.end)
    if (json[at] === CLOSE_OBJECT) return skipSpace(json, at + 1) === json.length ? members : undefined
    if (json[at] !== COMMA) return undefined
    at = skipSpace(json, at + 1)
  }
}

function memberAt(json: Buffer, at: number): Member | undefined {
  if (json[at] !== QUOTE) return undefined
  const nameEnd = skipString(json, at)
  const name = parseString(json.subarray(at, nameEnd))
  const colon = skipSpace(json, nameEnd)
  if (name === undefined || json[colon] !== COLON) return undefined
  const start = skipSpace(json, colon + 1)
  const end = skipValue(json, start)
  return end > start ? { name, start, end } : undefined
}

/** The string that these bytes are as JSON; undefined where they are something else. */
export function parseString(json: Buffer): string | undefined {
  if (json[0] !== QUOTE) return undefined
  try {
    const parsed: unknown = JSON.parse(json.toString('utf8'))
    return typeof parsed === 'string' ? parsed : undefined
  } catch {
    return undefined
  }
}

function skipSpace(json: Buffer, from: number): number {
  let at = from
  while (isSpace(json[at])) at++
  return at
}

/** Behind the quote that ends the string, or the end of the bytes. */
function skipString(json: Buffer, from: number): number {
  let at = from + 1
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return Math.min(at + 1, json.length)
}

function skipValue(json: Buffer, from: number): number {
  if (json[from] === QUOTE) return skipString(json, from)
  if (isOpen(json[from])) return skipNested(json, from)
  let at = from
  while (at < json.length && json[at] !== COMMA && !isClose(json[at]) && !isSpace(json[at])) at++
  return at
}

function skipNested(json: Buffer, from: number): number {
  let depth = 0
  let at = from
  while (at < json.length) {
    const byte = json[at]
    if (byte === QUOTE) {
      at = skipString(json, at)
      continue
    }
    at++
    if (isOpen(byte)) depth++
    else if (isClose(byte) && --depth === 0) return at
  }
  return at
}
