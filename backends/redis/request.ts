import { bufferOf } from '../../src/model/bytes.ts'

/** Above this a buffer is given up when its request was answered, instead of being used again. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024
/** A length in a header, with the sign before it and the end of the line behind it. */
const HEADER_BYTES_MAX = 24
const CR = 0x0d
const LF = 0x0a
const DOLLAR = 0x24
const STAR = 0x2a
const DIGIT_0 = 0x30

/** One or more commands as the bytes that go over the wire, written by hand: an object and a buffer an argument would cost more than all the rest of a batch. */
export class Request {
  readonly commands: string[] = []
  #buffer: Buffer
  #length = 0

  constructor(capacityBytes = 512) {
    this.#buffer = Buffer.allocUnsafe(capacityBytes)
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  /** Begins anew in the same buffer: only once the former request was answered to its end, since until then a socket may hold it. */
  reset(): this {
    this.commands.length = 0
    this.#length = 0
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = Buffer.allocUnsafe(512)
    return this
  }

  /** A whole command. */
  command(name: string, ...args: readonly (string | Buffer)[]): this {
    this.begin(name, args.length)
    for (const arg of args) {
      if (typeof arg === 'string') this.text(arg)
      else this.raw(arg)
    }
    return this
  }

  /** The head of a command; so many arguments must follow. */
  begin(name: string, args: number): this {
    this.commands.push(name)
    this.#reserve(HEADER_BYTES_MAX)
    this.#header(STAR, args + 1)
    return this.text(name)
  }

  /** All commands of another request, behind the own ones. */
  join(other: Request): this {
    this.commands.push(...other.commands)
    this.#reserve(other.#length)
    other.#buffer.copy(this.#buffer, this.#length, 0, other.#length)
    this.#length += other.#length
    return this
  }

  text(text: string): this {
    return this.joined(NOTHING, text)
  }

  raw(bytes: Uint8Array): this {
    return this.slice(bytes, 0, bytes.length)
  }

  slice(bytes: Uint8Array, start: number, end: number): this {
    const length = end - start
    this.#reserve(HEADER_BYTES_MAX + length)
    this.#header(DOLLAR, length)
    // `copy` makes no view of its own, as `set` would need.
    this.#length += bufferOf(bytes).copy(this.#buffer, this.#length, start, end)
    this.#endLine()
    return this
  }

  /** One argument: these bytes, and behind them a text in UTF-8. */
  joined(before: Buffer, text: string): this {
    this.#reserve(HEADER_BYTES_MAX + before.length + text.length * 3)
    const start = this.#length
    if (this.#joinedAscii(before, text)) return this
    this.#length = start
    this.#header(DOLLAR, before.length + Buffer.byteLength(text))
    this.#copy(before)
    this.#length += this.#buffer.write(text, this.#length)
    this.#endLine()
    return this
  }

  /** As if every character were one byte; false, with rubbish behind the end, where one isn't. */
  #joinedAscii(before: Buffer, text: string): boolean {
    this.#header(DOLLAR, before.length + text.length)
    this.#copy(before)
    const buffer = this.#buffer
    let to = this.#length
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      if (unit >= 0x80) return false
      buffer[to++] = unit
    }
    this.#length = to
    this.#endLine()
    return true
  }

  /** Short ones only. */
  #copy(bytes: Buffer): void {
    const buffer = this.#buffer
    let to = this.#length
    for (let at = 0; at < bytes.length; at++) buffer[to++] = bytes[at] ?? 0
    this.#length = to
  }

  #header(sign: number, count: number): void {
    const buffer = this.#buffer
    let at = this.#length
    buffer[at++] = sign
    let digits = 1
    // With `| 0`, as whole numbers are divided several times as fast.
    for (let rest = count; rest >= 10; rest = (rest / 10) | 0) digits++
    at += digits
    let rest = count
    for (let digit = at - 1; digit >= at - digits; digit--) {
      const tens = (rest / 10) | 0
      buffer[digit] = DIGIT_0 + rest - tens * 10
      rest = tens
    }
    this.#length = at
    this.#endLine()
  }

  #endLine(): void {
    this.#buffer[this.#length++] = CR
    this.#buffer[this.#length++] = LF
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

const NOTHING = Buffer.alloc(0)
