/**
 * The types of Kafka's protocol, as its guide defines them (kafka.apache.org/protocol: "Protocol Primitive Types"; KIP-482 for compact types and
 * tagged fields). A topic id is held as Kafka's tools print it: base64url without padding, 22 characters.
 */

export const TOPIC_ID_NONE = 'AAAAAAAAAAAAAAAAAAAAAA'

const UUID_BYTES = 16
const STRING_BYTES_MAX = 0x7fff
const UINT32_MAX = 0xffffffff

/** Bytes of a request. Grows as it is written to. A number outside of its type's range throws a RangeError. */
export class ByteWriter {
  #buffer: Buffer
  #size = 0

  /** @param bytesExpected saves the growing where the size is known about */
  constructor(bytesExpected = 256) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(16, bytesExpected))
  }

  /** What was written: a view, so nothing is to be written after it. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#size)
  }

  int8(value: number): this {
    const at = this.#room(1)
    this.#buffer.writeInt8(value, at)
    return this
  }

  int16(value: number): this {
    const at = this.#room(2)
    this.#buffer.writeInt16BE(value, at)
    return this
  }

  int32(value: number): this {
    const at = this.#room(4)
    this.#buffer.writeInt32BE(value, at)
    return this
  }

  /** @param value a safe integer */
  int64(value: number): this {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`)
    const high = Math.floor(value / 2 ** 32)
    const at = this.#room(8)
    this.#buffer.writeInt32BE(high, at)
    this.#buffer.writeUInt32BE(value - high * 2 ** 32, at + 4)
    return this
  }

  /** Seven bits a byte, the lowest first, up to 32 bits. */
  uvarint(value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX) throw new RangeError(`${value} has no 32 bits without a sign`)
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.#byte((rest & 0x7f) | 0x80)
    this.#byte(rest)
    return this
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  uuid(id: string): this {
    const bytes = Buffer.from(id, 'base64url')
    if (bytes.length !== UUID_BYTES) throw new RangeError(`'${id}' is no topic id`)
    return this.raw(bytes)
  }

  /** STRING, and NULLABLE_STRING. */
  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.byteLength(value)
    if (bytes > STRING_BYTES_MAX) throw new RangeError(`a string of ${bytes} bytes is too long for Kafka's protocol`)
    return this.int16(bytes).#text(value, bytes)
  }

  /** COMPACT_STRING, and COMPACT_NULLABLE_STRING. */
  compactString(value: string | null): this {
    if (value === null) return this.uvarint(0)
    const bytes = Buffer.byteLength(value)
    return this.uvarint(bytes + 1).#text(value, bytes)
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** No tagged fields. */
  emptyTags(): this {
    return this.uvarint(0)
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length)
    this.#buffer.set(bytes, at)
    return this
  }

  #text(value: string, bytes: number): this {
    const at = this.#room(bytes)
    this.#buffer.write(value, at, 'utf8')
    return this
  }

  #byte(value: number): void {
    const at = this.#room(1)
    this.#buffer[at] = value
  }

  /** Makes room, and gives where it is. To be called before `#buffer` is looked at, as it may become another. */
  #room(bytes: number): number {
    const at = this.#size
    const size = at + bytes
    if (size > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(size, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, at))
      this.#buffer = grown
    }
    this.#size = size
    return at
  }
}

/**
 * Walks over an answer. Every method takes what it reads, for the error that is thrown where the bytes end before it does, or are not what it should
 * be. Nothing that the answer says of its own size is believed before the bytes are there.
 */
export class ByteReader {
  readonly #bytes: Buffer
  readonly #name: string
  #at = 0

  /** @param name of the request and its version, for errors */
  constructor(bytes: Buffer, name: string) {
    this.#bytes = bytes
    this.#name = name
  }

  int8(what: string): number {
    return this.#bytes.readInt8(this.#take(1, what))
  }

  int16(what: string): number {
    return this.#bytes.readInt16BE(this.#take(2, what))
  }

  int32(what: string): number {
    return this.#bytes.readInt32BE(this.#take(4, what))
  }

  /** @throws also where it is no safe integer: it is never rounded */
  int64(what: string): number {
    const at = this.#take(8, what)
    const value = this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4)
    if (!Number.isSafeInteger(value)) throw this.fault(`${this.#bytes.readBigInt64BE(at)} beyond what a number holds, as ${what}`)
    return value
  }

  uvarint(what: string): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 28; factor *= 2 ** 7) {
      const byte = this.#bytes.readUInt8(this.#take(1, what))
      value += (byte & 0x7f) * factor
      if (byte > 0x7f) continue
      if (value <= UINT32_MAX) return value
      break
    }
    throw this.fault(`more than 32 bits as ${what}`)
  }

  bool(what: string): boolean {
    return this.int8(what) !== 0
  }

  uuid(what: string): string {
    const at = this.#take(UUID_BYTES, what)
    return this.#bytes.toString('base64url', at, at + UUID_BYTES)
  }

  string(what: string): string {
    return this.nullableString(what) ?? this.#missing(what)
  }

  nullableString(what: string): string | undefined {
    return this.#text(this.#length(this.int16(what), what), what)
  }

  compactString(what: string): string {
    return this.compactNullableString(what) ?? this.#missing(what)
  }

  compactNullableString(what: string): string | undefined {
    return this.#text(this.uvarint(what) - 1, what)
  }

  /** A view of the answer's bytes, no copy. Empty where they are null. */
  compactNullableBytes(what: string): Buffer {
    const length = Math.max(0, this.uvarint(what) - 1)
    const at = this.#take(length, what)
    return this.#bytes.subarray(at, at + length)
  }

  /** Empty where it is null. */
  array<T>(what: string, read: () => T): T[] {
    return this.#items(this.#length(this.int32(what), what), what, read)
  }

  /** Empty where it is null. */
  compactArray<T>(what: string, read: () => T): T[] {
    return this.#items(this.uvarint(what) - 1, what, read)
  }

  skip(bytes: number, what: string): void {
    this.#take(bytes, what)
  }

  /** Skips tagged fields, whichever they are: what a later broker adds is added there. */
  skipTags(): void {
    for (let left = this.uvarint('tagged fields'); left > 0; left--) {
      this.uvarint('a tag')
      this.#take(this.uvarint('the size of a tagged field'), 'a tagged field')
    }
  }

  /** @throws where bytes are left: then something before was read for what it is not */
  end(): void {
    const left = this.#bytes.length - this.#at
    if (left > 0) throw this.fault(`${left} bytes more than expected`)
  }

  /** An error that names the answer and the place. */
  fault(detail: string): Error {
    return new Error(`${this.#name}: the answer has ${detail} (before byte ${this.#at} of ${this.#bytes.length})`)
  }

  /** Moves on, and gives where it was. */
  #take(bytes: number, what: string): number {
    const at = this.#at
    if (bytes > this.#bytes.length - at) throw new Error(`${this.#name}: the answer ends within ${what} (byte ${at} of ${this.#bytes.length})`)
    this.#at = at + bytes
    return at
  }

  #length(length: number, what: string): number {
    if (length < -1) throw this.fault(`a length of ${length} as ${what}`)
    return length
  }

  #text(length: number, what: string): string | undefined {
    if (length < 0) return undefined
    const at = this.#take(length, what)
    return this.#bytes.toString('utf8', at, at + length)
  }

  #items<T>(count: number, what: string, read: () => T): T[] {
    // Every item has a byte at least, so a damaged count can't make this run for long.
    if (count > this.#bytes.length - this.#at) throw this.fault(`no room for ${count} items of ${what}`)
    const items: T[] = []
    for (let left = count; left > 0; left--) items.push(read())
    return items
  }

  #missing(what: string): never {
    throw this.fault(`null as ${what}`)
  }
}
