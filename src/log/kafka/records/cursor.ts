import type { Offset, RecordCursor } from '../../../model/record.ts'
import { corrupt } from './corrupt.ts'

/** The records of one batch, uncompressed. */
export interface Section {
  readonly buffer: Uint8Array
  readonly start: number
  /** Exclusive. */
  readonly end: number
  readonly count: number
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  readonly baseTimestampMs: number
  /** The time of all records; undefined where each has its own. */
  readonly appendTimeMs: number | undefined
}

/**
 * Walks over the records of sections from an offset on. Record: length, attributes i8, timestamp delta, offset delta, key length, key, value length,
 * value, headers; numbers are zigzag varints, a length of -1 is null. Headers are passed over.
 *
 * `next` throws `log-corrupt` where the bytes are no such records. Offsets rise, and stay in what the batch covers; so with as many
 * records as it covers offsets, none is missing.
 */
export class SectionCursor implements RecordCursor {
  readonly #sections: readonly Section[]
  readonly #from: Offset
  readonly #where: string
  #index = 0
  /** Records left in the section. */
  #left = 0
  #at = 0
  #end = 0
  #baseOffset = 0
  #lastOffset = 0
  #baseTimestampMs = 0
  #appendTimeMs: number | undefined
  offset: Offset = -1
  timestampMs = 0
  buffer: Uint8Array = new Uint8Array()
  keyStart = 0
  keyEnd = -1
  valueStart = 0
  valueEnd = -1

  constructor(sections: readonly Section[], from: Offset, where: string) {
    this.#sections = sections
    this.#from = from
    this.#where = where
  }

  next(): boolean {
    do {
      while (this.#left === 0) if (!this.#enter()) return false
      this.#left--
      this.#read()
    } while (this.offset < this.#from)
    return true
  }

  #enter(): boolean {
    if (this.#at !== this.#end) throw this.#corrupt('bytes are left behind its last record')
    const section = this.#sections[this.#index]
    if (section === undefined) return false
    this.#index++
    this.#left = section.count
    this.buffer = section.buffer
    this.#at = section.start
    this.#end = section.end
    this.#baseOffset = section.baseOffset
    this.#lastOffset = section.lastOffset
    this.#baseTimestampMs = section.baseTimestampMs
    this.#appendTimeMs = section.appendTimeMs
    this.offset = section.baseOffset - 1
    return true
  }

  #read(): void {
    const bytes = this.#varint()
    const end = this.#at + bytes
    if (end > this.#end) throw this.#corrupt('a record runs over its end')
    // One byte of attributes, which mean nothing so far.
    this.#at++
    const time = this.#baseTimestampMs + this.#varlong()
    this.timestampMs = this.#appendTimeMs ?? time
    const offset = this.#baseOffset + this.#varint()
    if (offset <= this.offset || offset > this.#lastOffset) throw this.#corrupt('its offsets do not rise, or leave what it covers')
    this.offset = offset
    const keyBytes = this.#varint()
    this.keyStart = this.#at
    if (keyBytes >= 0) this.#at += keyBytes
    this.keyEnd = keyBytes >= 0 ? this.#at : -1
    const valueBytes = this.#varint()
    this.valueStart = this.#at
    if (valueBytes >= 0) this.#at += valueBytes
    this.valueEnd = valueBytes >= 0 ? this.#at : -1
    // At least the number of headers follows. A length below 0, and reads beyond the buffer, which give zeros, come here too.
    if (this.#at >= end) throw this.#corrupt(`the record at offset ${offset} runs over its end`)
    this.#at = end
  }

  #varint(): number {
    const { buffer } = this
    let at = this.#at
    let byte = buffer[at++] ?? 0
    let bits = byte & 0x7f
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 28) throw this.#corrupt('a number is longer than 5 bytes')
      byte = buffer[at++] ?? 0
      bits |= (byte & 0x7f) << shift
    }
    this.#at = at
    return (bits >>> 1) ^ -(bits & 1)
  }

  /** Up to 64 bits; exact up to 2^53, as the sign is taken off before bits go beyond 32. */
  #varlong(): number {
    const { buffer } = this
    let at = this.#at
    let byte = buffer[at++] ?? 0
    const negative = (byte & 1) === 1
    let magnitude = (byte & 0x7f) >>> 1
    for (let unit = 64; byte >= 0x80; unit *= 128) {
      if (at - this.#at >= 10) throw this.#corrupt('a number is longer than 10 bytes')
      byte = buffer[at++] ?? 0
      magnitude += (byte & 0x7f) * unit
    }
    this.#at = at
    return negative ? -magnitude - 1 : magnitude
  }

  #corrupt(what: string): Error {
    return corrupt(this.#where, this.#baseOffset, what)
  }
}
