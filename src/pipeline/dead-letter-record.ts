import { type DeadLetter, type DeadLetterWithBytes, formatLetter, type LetterOwner, parseLetter } from '../model/dead-letter.ts'
import type { FaultReason } from '../model/fault.ts'
import type { NewRecord } from '../model/record.ts'
import type { FaultyRecord } from './fold.ts'

/**
 * How a dead letter is written in its topic. Key: its name, and `…/resolved` beside it once it is. Value: one line of JSON, a line feed, then the
 * bytes of the record's key and of its value, so that no byte is changed and a value of any content takes no more room than it had.
 *
 * An earlier version left the topic id out, of the key and of the header: what it wrote is taken as of the view's topic.
 */
interface Header {
  readonly format: 1
  readonly generation: number
  readonly partition: number
  readonly offset: number
  readonly topicId: string
  readonly timestampMs: number
  readonly reason: FaultReason
  readonly detail: string
  readonly id?: string
  /** Null: the record had a null key. */
  readonly keyBytes: number | null
  /** Null: the record was a tombstone. */
  readonly valueBytes: number | null
}

const DETAIL_LENGTH_MAX = 500
const LINE_FEED = 0x0a

/** A record's place, but for its offset. */
export type LetterPlace = Pick<DeadLetter, 'generation' | 'partition' | 'topicId'>

/** Of a record that was met here: an own letter. */
export function letterOf(place: LetterPlace, record: FaultyRecord): DeadLetterWithBytes {
  const { offset } = record
  return {
    letter: formatLetter({ ...place, offset }),
    ...place,
    offset,
    otherTopic: false,
    otherGeneration: false,
    timestampMs: record.timestampMs,
    reason: record.fault.reason,
    detail: describe(record).slice(0, DETAIL_LENGTH_MAX).toWellFormed(),
    id: record.id,
    keyBytes: record.key?.length,
    valueBytes: record.value?.length,
    resolvedBy: undefined,
    key: record.key,
    value: record.value,
  }
}

function describe({ fault }: FaultyRecord): string {
  const places = (fault.errors ?? []).map(error => `${error.pointer || '/'} ${error.detail}`)
  return places.length === 0 ? fault.detail : `${fault.detail}: ${places.join('; ')}`
}

const RESOLVED = '/resolved'

/**
 * Says, beside the letter of this key, by which record of its id it is resolved. Small, so that a record that folds is never
 * held up by the bytes of those that didn't.
 */
export const resolutionRecord = (key: string, resolvedBy: string): NewRecord => ({
  partition: 0,
  key: Buffer.from(key + RESOLVED),
  value: Buffer.from(JSON.stringify({ format: 1, resolvedBy })),
})

/** Takes the letter of this key away, and what says that it is resolved: that last, as without its letter it means nothing. */
export const dropRecords = (key: string): readonly NewRecord[] => [key, key + RESOLVED].map(dropRecord)

/** Takes away what stands under this one key. */
export const dropRecord = (key: string): NewRecord => ({ partition: 0, key: Buffer.from(key), value: null })

/** Of which generation a letter is, or what says that one is resolved, by the key alone; undefined where it is neither's key. */
export const generationOfKey = (key: string): number | undefined =>
  parseLetter(key.endsWith(RESOLVED) ? key.slice(0, -RESOLVED.length) : key, '')?.generation

/** With the key of the letter that it stands beside. */
export function decodeResolution(key: string, value: Uint8Array): { readonly letterKey: string; readonly resolvedBy: string } | undefined {
  if (!key.endsWith(RESOLVED)) return undefined
  const { resolvedBy } = parse(value) as { resolvedBy?: unknown }
  return typeof resolvedBy === 'string' ? { letterKey: key.slice(0, -RESOLVED.length), resolvedBy } : undefined
}

export function encodeLetter(letter: DeadLetterWithBytes): Uint8Array {
  const header: Header = {
    format: 1,
    generation: letter.generation,
    partition: letter.partition,
    offset: letter.offset,
    topicId: letter.topicId,
    timestampMs: letter.timestampMs,
    reason: letter.reason,
    detail: letter.detail,
    ...(letter.id === undefined ? {} : { id: letter.id }),
    keyBytes: letter.keyBytes ?? null,
    valueBytes: letter.valueBytes ?? null,
  }
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), letter.key ?? Buffer.alloc(0), letter.value ?? Buffer.alloc(0)])
}

/** Without its bytes. Undefined where this isn't a dead letter of a format known here. @param owner whose letters are own ones */
export function decodeLetter(value: Uint8Array, owner: LetterOwner): DeadLetter | undefined {
  const header = readHeader(value, owner.topicId)
  return header === undefined ? undefined : fromHeader(header, owner)
}

export function decodeLetterWithBytes(value: Uint8Array, owner: LetterOwner): DeadLetterWithBytes | undefined {
  const header = readHeader(value, owner.topicId)
  if (header === undefined) return undefined
  const keyStart = value.indexOf(LINE_FEED) + 1
  const valueStart = keyStart + (header.keyBytes ?? 0)
  return {
    ...fromHeader(header, owner),
    key: header.keyBytes === null ? null : value.slice(keyStart, valueStart),
    value: header.valueBytes === null ? null : value.slice(valueStart, valueStart + header.valueBytes),
  }
}

const fromHeader = (header: Header, owner: LetterOwner): DeadLetter => ({
  letter: formatLetter(header),
  generation: header.generation,
  partition: header.partition,
  offset: header.offset,
  topicId: header.topicId,
  otherTopic: header.topicId !== owner.topicId,
  otherGeneration: header.generation !== owner.generation,
  timestampMs: header.timestampMs,
  reason: header.reason,
  detail: header.detail,
  id: header.id,
  keyBytes: header.keyBytes ?? undefined,
  valueBytes: header.valueBytes ?? undefined,
  resolvedBy: undefined,
})

function readHeader(value: Uint8Array, topicId: string): Header | undefined {
  const end = value.indexOf(LINE_FEED)
  const header = parse(value.subarray(0, Math.max(end, 0))) as Partial<Header>
  return header.format === 1 ? { topicId, ...(header as Omit<Header, 'topicId'>) } : undefined
}

/** An empty object where it is no JSON object: somebody else's record. */
function parse(bytes: Uint8Array): object {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}
