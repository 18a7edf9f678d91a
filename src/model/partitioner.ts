import { crc32 as zlibCrc32 } from 'node:zlib'

/**
 * Which partition a key belongs to. All writers of a topic must agree, or no order holds between two records of one key.
 *
 * - murmur2: Java's producer, kafkajs, and librdkafka with `partitioner=murmur2_random`.
 * - crc32: librdkafka's default (`consistent_random`) for keys that aren't empty.
 * - any: no rule is known, so REST doesn't write.
 */
export type PartitionerName = 'murmur2' | 'crc32' | 'any'

export type Partitioner = (key: Uint8Array, partitions: number) => number

export const partitioners: Readonly<Record<Exclude<PartitionerName, 'any'>, Partitioner>> = {
  murmur2: (key, partitions) => (murmur2(key) & 0x7fffffff) % partitions,
  crc32: (key, partitions) => zlibCrc32(key) % partitions,
}

/** MurmurHash2, 32 bits, with the seed of Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2). */
function murmur2(key: Uint8Array): number {
  const m = 0x5bd1e995
  const length = key.length
  const byte = (at: number): number => key[at] ?? 0
  let h = 0x9747b28c ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k = byte(at) | (byte(at + 1) << 8) | (byte(at + 2) << 16) | (byte(at + 3) << 24)
    k = Math.imul(k, m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  const rest = length - at
  if (rest > 0) {
    if (rest === 3) h ^= byte(at + 2) << 16
    if (rest >= 2) h ^= byte(at + 1) << 8
    h = Math.imul(h ^ byte(at), m)
  }
  h = Math.imul(h ^ (h >>> 13), m)
  return h ^ (h >>> 15)
}
