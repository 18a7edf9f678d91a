import { crc32 as zlibCrc32 } from 'node:zlib'

/**
 * Which partition a key belongs to. All writers of a topic must agree, or no order holds between two records of one key.
 *
 * - murmur2: Java's producer, kafkajs, and librdkafka with `partitioner=murmur2_random`.
 * - crc32: librdkafka's default (`consistent_random`) for keys that aren't empty.
 * - any: no rule is known, so REST doesn't write.
 */
export type PartitionerName = 'murmur2' | 'crc32' | 'any'

/** The key is all of `bytes`, or what stands there from `start` to `end`: a view of its own for each key of a fetch would cost more than the hash. */
export type Partitioner = (bytes: Uint8Array, partitions: number, start?: number, end?: number) => number

export const partitioners: Readonly<Record<Exclude<PartitionerName, 'any'>, Partitioner>> = {
  murmur2: (bytes, partitions, start = 0, end = bytes.length) => (murmur2(bytes, start, end) & 0x7fffffff) % partitions,
  crc32: (bytes, partitions, start = 0, end = bytes.length) => zlibCrc32(bytes.subarray(start, end)) % partitions,
}

/** MurmurHash2, 32 bits, with the seed of Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2). */
function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const m = 0x5bd1e995
  const byte = (at: number): number => bytes[at] ?? 0
  let h = 0x9747b28c ^ (end - start)
  let at = start
  for (; at + 4 <= end; at += 4) {
    let k = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24)
    k = Math.imul(k, m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  const rest = end - at
  if (rest > 0) {
    if (rest === 3) h ^= byte(at + 2) << 16
    if (rest >= 2) h ^= byte(at + 1) << 8
    h = Math.imul(h ^ byte(at), m)
  }
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
