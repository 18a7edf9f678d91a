import { bufferOf } from '../model/bytes.ts'
import type { ViewFormat } from '../model/generation.ts'
import type { Entry } from '../model/view-backend.ts'

/**
 * How a list is written: before, between and after its entries, and an entry itself. A value of a json view goes in as its stored bytes; nothing is
 * parsed, so that numbers of any size, names that occur twice and white space stay.
 */
export interface ListShape {
  readonly contentType: string
  readonly begin: string
  readonly between: string
  readonly end: string
  readonly head: (id: string) => string
  readonly tail: string
  /** A value may not hold a line break. */
  readonly oneLine: boolean
}

export const objectShape: ListShape = {
  contentType: 'application/json',
  begin: '{',
  between: ',\n',
  end: '}\n',
  head: id => `${JSON.stringify(id)}:`,
  tail: '',
  oneLine: false,
}

export const linesShape: ListShape = {
  contentType: 'application/x-ndjson',
  begin: '',
  between: '',
  end: '',
  head: id => `{"id":${JSON.stringify(id)},"value":`,
  tail: '}\n',
  oneLine: true,
}

export const pageShape = (next: string | null): ListShape => ({
  ...linesShape,
  contentType: 'application/json',
  begin: '{"items":[',
  between: ',\n',
  end: `],"next":${JSON.stringify(next)}}\n`,
  tail: '}',
  oneLine: false,
})

/** Writes a list piece by piece. */
export class ListWriter {
  readonly #shape: ListShape
  readonly #format: ViewFormat
  #entries = 0

  constructor(shape: ListShape, format: ViewFormat) {
    this.#shape = shape
    this.#format = format
  }

  entries(entries: readonly Entry[]): Buffer {
    const { begin, between, head, tail, oneLine } = this.#shape
    const parts: Uint8Array[] = []
    for (const { id, value } of entries) {
      const before = this.#entries++ === 0 ? begin : tail + between
      parts.push(Buffer.from(before + head(id)), jsonOf(this.#format, value, oneLine))
    }
    return Buffer.concat(parts)
  }

  end(): string {
    const { begin, tail, end } = this.#shape
    return (this.#entries === 0 ? begin : tail) + end
  }
}

/** A value as JSON: as it is, as a string, or as a string of base64. */
function jsonOf(format: ViewFormat, value: Uint8Array, oneLine: boolean): Uint8Array {
  const bytes = bufferOf(value)
  if (format === 'bytes') return Buffer.from(`"${bytes.toString('base64')}"`)
  if (format === 'text') return Buffer.from(JSON.stringify(bytes.toString('utf8')))
  return oneLine ? withoutLineBreaks(bytes) : bytes
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const SPACE = 0x20

/** JSON has raw line breaks only between its parts, where a space means the same. */
function withoutLineBreaks(bytes: Buffer): Uint8Array {
  if (!bytes.includes(LINE_FEED) && !bytes.includes(CARRIAGE_RETURN)) return bytes
  return bytes.map(byte => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? SPACE : byte))
}
