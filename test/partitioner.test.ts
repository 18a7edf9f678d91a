import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partitioners } from '../src/model/partitioner.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

describe('murmur2 partitioner', () => {
  // Hashes from Kafka's own test of its Java client (UtilsTest.testMurmur2).
  const hashes: readonly (readonly [string, number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]

  it.each(hashes)('puts %s where the Java client puts it', (key, hash) => {
    const partitions = 1_000_003
    expect(partitioners.murmur2(bytes(key), partitions)).toBe((hash & 0x7fffffff) % partitions)
  })
})

describe('crc32 partitioner', () => {
  it('takes the unsigned CRC-32 of the key, as librdkafka does', () => {
    // The check value of CRC-32 (reveng catalogue, CRC-32/ISO-HDLC) is above 2^31: a signed one would give a negative partition.
    expect(partitioners.crc32(bytes('123456789'), 10)).toBe(0xcbf43926 % 10)
  })
})

describe('both', () => {
  it('take a key that stands among other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 20 }), (before, key, behind) => {
        const all = Buffer.concat([before, key, behind])
        for (const partitionOf of Object.values(partitioners)) {
          expect(partitionOf(all, 1_000, before.length, before.length + key.length)).toBe(partitionOf(key, 1_000))
        }
      }),
    )
  })
})
