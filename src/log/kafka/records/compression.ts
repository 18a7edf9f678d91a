import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'

/**
 * What the records of one batch may be uncompressed. A batch is a few MB, by the broker's limit; a smaller one that
 * becomes more than this is no honest one.
 */
const UNCOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

const names = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export const codecName = (codec: number): string => names[codec] ?? `codec ${codec}`

/**
 * The records of a batch, uncompressed, in memory of their own. The native packages' memory is given back between turns of the event loop only, so
 * what decompresses a lot must let go of the thread meanwhile.
 *
 * @throws Error where the codec is unknown, the bytes aren't what it writes, or they become more than `UNCOMPRESSED_BYTES_MAX`. For lz4 and snappy
 * that is known before anything is allocated, gzip and zstd stop there.
 */
export function decompress(codec: number, bytes: Buffer): Buffer {
  switch (codec) {
    case 1:
      return gunzipSync(bytes, zlibOptions(bytes))
    case 2:
      return unsnappy(bytes)
    case 3:
      return unlz4(bytes)
    case 4:
      return zstdDecompressSync(bytes, zlibOptions(bytes))
    default:
      throw new Error('no such codec is known')
  }
}

/** In Node's chunks of 16 KiB a large batch takes half as long again. */
const zlibOptions = (bytes: Buffer): { readonly maxOutputLength: number; readonly chunkSize: number } => ({
  maxOutputLength: UNCOMPRESSED_BYTES_MAX,
  chunkSize: Math.min(Math.max(bytes.length * 4, 16 * 1024), 1024 * 1024),
})

/** Java's clients write blocks of 32 KiB behind a header of their own (xerial's), librdkafka and Go's write one block bare. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16

function unsnappy(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return unsnappyBlocks([bytes])
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const size = at + 4 <= bytes.length ? bytes.readInt32BE(at) : -1
    at += 4 + size
    if (size < 0 || at > bytes.length) throw new Error('a snappy block runs over the end')
    blocks.push(bytes.subarray(at - size, at))
  }
  return unsnappyBlocks(blocks)
}

function unsnappyBlocks(blocks: readonly Buffer[]): Buffer {
  checkSize(blocks.reduce((sum, block) => sum + snappyBytes(block), 0))
  const parts = blocks.map(block => {
    // By default the package keeps the memory until a finalizer has run, and isn't quicker.
    const part = uncompressSync(block, { copyOutputData: true })
    if (typeof part === 'string') throw new Error('snappy answered with text')
    return part
  })
  const [only] = parts
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)
}

/** What a block says that it becomes: a varint at its start. The package makes it neither shorter nor longer. */
function snappyBytes(block: Buffer): number {
  let bytes = 0
  for (let at = 0; at < 5; at++) {
    const byte = block[at] ?? 0
    bytes += (byte & 0x7f) * 128 ** at
    if (byte < 0x80) break
  }
  return bytes
}

const LZ4_MAGIC = 0x184d2204

/** A block of n bytes can't become more than 255 n. */
const LZ4_RATIO_MAX = 255

function unlz4(bytes: Buffer): Buffer {
  // The package answers with nothing where there is no frame, or a block is missing at its end; this doesn't.
  checkSize(lz4BytesBound(bytes))
  return decompressFrameSync(bytes)
}

/**
 * What a frame can become at most, by its blocks' sizes: magic, flags, block size, perhaps a content size, checksum, then blocks to
 * an end mark. Kafka knows no dictionaries.
 */
function lz4BytesBound(bytes: Buffer): number {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('this is no lz4 frame')
  const flags = bytes.readUInt8(4)
  const blockBytesMax = 256 * 4 ** ((bytes.readUInt8(5) >>> 4) & 0b111)
  const blockChecksumBytes = (flags & 0b1_0000) === 0 ? 0 : 4
  let at = 7 + ((flags & 0b1000) === 0 ? 0 : 8)
  let bound = 0
  for (;;) {
    if (at + 4 > bytes.length) throw new Error('the lz4 frame has no end')
    const word = bytes.readUInt32LE(at)
    if (word === 0) return bound
    const size = word & 0x7fff_ffff
    const stored = word > 0x7fff_ffff
    bound += stored ? size : Math.min(size * LZ4_RATIO_MAX, blockBytesMax)
    at += 4 + size + blockChecksumBytes
  }
}

function checkSize(bytes: number): void {
  if (bytes > UNCOMPRESSED_BYTES_MAX) throw new Error(`uncompressed it is ${bytes} bytes, of ${UNCOMPRESSED_BYTES_MAX} at most`)
}
