import { hash } from 'node:crypto'

/** What fits one block of 64 bytes, with the mark behind it and its length. */
const BLOCK_BYTES_MAX = 55
const BLOCK_BYTES = 64

const SINES = Int32Array.from({ length: 64 }, (_, step) => Math.floor(Math.abs(Math.sin(step + 1)) * 2 ** 32))
/** How far each step rotates: four amounts a round, in turn. */
const TURNS = Uint8Array.from(
  { length: 64 },
  (_, step) => [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21][(step >> 4) * 4 + (step & 3)] ?? 0,
)
const WORD_OF_STEP = Uint8Array.from({ length: 64 }, (_, step) => [step, 5 * step + 1, 3 * step + 5, 7 * step][step >> 4] ?? 0).map(word => word & 15)

const bytes = new Uint8Array(BLOCK_BYTES)
const block = new DataView(bytes.buffer)
const words = new Int32Array(BLOCK_BYTES / 4)
const encoder = new TextEncoder()

/**
 * The first 32 bits of the MD5 of a text in UTF-8, read from the lowest byte up, as ketama takes them. Short texts, as ids are, are hashed here: a call of node:crypto
 * costs four times as much.
 */
export function md5Low32(text: string): number {
  const length = fill(text)
  if (length > BLOCK_BYTES_MAX) return Buffer.from(hash('md5', text, 'buffer')).readUInt32LE(0)
  bytes[length] = 0x80
  bytes.fill(0, length + 1)
  block.setUint32(BLOCK_BYTES - 8, length * 8, true)
  for (let word = 0; word < words.length; word++) words[word] = block.getInt32(word * 4, true)
  return digest()
}

/** Puts a text into the block. Gives its length in bytes; more than a block takes where it doesn't fit. */
function fill(text: string): number {
  if (text.length > BLOCK_BYTES_MAX) return text.length
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x80) return fillEncoded(text)
    bytes[at] = unit
  }
  return text.length
}

function fillEncoded(text: string): number {
  const { read, written } = encoder.encodeInto(text, bytes)
  return read < text.length ? BLOCK_BYTES : written
}

/** MD5's four rounds over `words`; of the state only what `md5Low32` gives. */
function digest(): number {
  let a = 0x67452301
  let b = 0xefcdab89 | 0
  let c = 0x98badcfe | 0
  let d = 0x10325476
  for (let step = 0; step < 64; step++) {
    const mixed = step < 16 ? (b & c) | (~b & d) : step < 32 ? (d & b) | (~d & c) : step < 48 ? b ^ c ^ d : c ^ (b | ~d)
    const sum = (a + mixed + (SINES[step] ?? 0) + (words[WORD_OF_STEP[step] ?? 0] ?? 0)) | 0
    const turn = TURNS[step] ?? 0
    a = d
    d = c
    c = b
    b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0
  }
  return (a + 0x67452301) >>> 0
}
