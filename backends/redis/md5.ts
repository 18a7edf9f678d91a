import { hash } from 'node:crypto'

/** What fits one block of 64 bytes, with the mark behind it and its length. */
const BLOCK_BYTES_MAX = 55
const BLOCK_BYTES = 64

const SINES = Int32Array.from({ length: 64 }, (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32))

const bytes = new Uint8Array(BLOCK_BYTES)
const view = new DataView(bytes.buffer)
/** The block, as MD5 takes it: from the lowest byte up. */
const words = new Int32Array(BLOCK_BYTES / 4)
const encoder = new TextEncoder()

/**
 * The first 32 bits of the MD5 of a text in UTF-8, read from the lowest byte up, as ketama takes them. Short texts, as ids are, are hashed here: a call of node:crypto
 * costs several times as much.
 */
export function md5Low32(text: string): number {
  const length = fill(text)
  if (length > BLOCK_BYTES_MAX) return Buffer.from(hash('md5', text, 'buffer')).readUInt32LE(0)
  return digest()
}

/** Puts a text into the empty block. Gives its length in bytes; more than a block takes where it doesn't fit. */
function fill(text: string): number {
  if (text.length > BLOCK_BYTES_MAX) return text.length
  let word = 0
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x80) return fillEncoded(text)
    word |= unit << ((at & 3) * 8)
    if ((at & 3) < 3) continue
    words[at >> 2] = word
    word = 0
  }
  endBlock(text.length, word)
  return text.length
}

function fillEncoded(text: string): number {
  const { read, written } = encoder.encodeInto(text, bytes)
  if (read < text.length || written > BLOCK_BYTES_MAX) return BLOCK_BYTES
  bytes.fill(0, written)
  for (let word = 0; word < words.length; word++) words[word] = view.getInt32(word * 4, true)
  endBlock(written, words[written >> 2] ?? 0)
  return written
}

/** @param word the bytes behind the last whole word, as far as there are any */
function endBlock(length: number, word: number): void {
  words[length >> 2] = word | (0x80 << ((length & 3) * 8))
  for (let rest = (length >> 2) + 1; rest < words.length; rest++) words[rest] = 0
  words[14] = length * 8
}

/** MD5's four rounds over `words`; of the state only what `md5Low32` gives. Four steps a turn, so that nothing has to change places and each rotates by a constant. */
function digest(): number {
  let a = 0x67452301
  let b = 0xefcdab89 | 0
  let c = 0x98badcfe | 0
  let d = 0x10325476
  for (let i = 0; i < 16; i += 4) {
    a = (b + rotated(a + ((b & c) | (~b & d)) + term(i, i), 7)) | 0
    d = (a + rotated(d + ((a & b) | (~a & c)) + term(i + 1, i + 1), 12)) | 0
    c = (d + rotated(c + ((d & a) | (~d & b)) + term(i + 2, i + 2), 17)) | 0
    b = (c + rotated(b + ((c & d) | (~c & a)) + term(i + 3, i + 3), 22)) | 0
  }
  for (let i = 16; i < 32; i += 4) {
    a = (b + rotated(a + ((d & b) | (~d & c)) + term(i, 5 * i + 1), 5)) | 0
    d = (a + rotated(d + ((c & a) | (~c & b)) + term(i + 1, 5 * i + 6), 9)) | 0
    c = (d + rotated(c + ((b & d) | (~b & a)) + term(i + 2, 5 * i + 11), 14)) | 0
    b = (c + rotated(b + ((a & c) | (~a & d)) + term(i + 3, 5 * i + 16), 20)) | 0
  }
  for (let i = 32; i < 48; i += 4) {
    a = (b + rotated(a + (b ^ c ^ d) + term(i, 3 * i + 5), 4)) | 0
    d = (a + rotated(d + (a ^ b ^ c) + term(i + 1, 3 * i + 8), 11)) | 0
    c = (d + rotated(c + (d ^ a ^ b) + term(i + 2, 3 * i + 11), 16)) | 0
    b = (c + rotated(b + (c ^ d ^ a) + term(i + 3, 3 * i + 14), 23)) | 0
  }
  for (let i = 48; i < 64; i += 4) {
    a = (b + rotated(a + (c ^ (b | ~d)) + term(i, 7 * i), 6)) | 0
    d = (a + rotated(d + (b ^ (a | ~c)) + term(i + 1, 7 * i + 7), 10)) | 0
    c = (d + rotated(c + (a ^ (d | ~b)) + term(i + 2, 7 * i + 14), 15)) | 0
    b = (c + rotated(b + (d ^ (c | ~a)) + term(i + 3, 7 * i + 21), 21)) | 0
  }
  return (a + 0x67452301) >>> 0
}

/** What a step adds: its sine, and the word it looks at. */
const term = (step: number, word: number): number => ((SINES[step] ?? 0) + (words[word & 15] ?? 0)) | 0

const rotated = (sum: number, by: number): number => (sum << by) | (sum >>> (32 - by))
