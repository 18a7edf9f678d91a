import { describe, expect, it } from 'vitest'
import { produceRequest } from '../src/log/kafka/wire/produce.ts'
import type { Request } from '../src/log/kafka/wire/request.ts'

const wire = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\/\/.*|\s/g, ''), 'hex')

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'
const asked = {
  timeoutMs: 10_000,
  topics: [
    {
      name: 'jobs',
      id: ID,
      partitions: [
        { partition: 0, records: wire('deadbeef') },
        { partition: 2, records: wire('ff') },
      ],
    },
  ],
}

function byId(): Request<unknown> {
  const request = produceRequest(asked).newer?.request()
  if (request === undefined) throw new Error('There is no newer version')
  return request
}

describe('Produce v13, which names topics by their id', () => {
  it('is written as the protocol says', () => {
    const { apiKey, apiVersion, body } = byId()
    expect([apiKey, apiVersion]).toEqual([0, 13])
    expect(Buffer.from(body).toString('hex')).toBe(
      wire(`
        00 00 ffff 00002710                        // the header's tags, no transaction, all in-sync replicas, timeout
        02 00000000000000000000000000000001 03
          00000000 05 deadbeef 00
          00000002 02 ff 00
          00 00
      `).toString('hex'),
    )
  })

  it('is answered by topic id, and told by name', () => {
    const answer = wire(`
      00                                           // the header's tags
      02 00000000000000000000000000000001 03
        00000000 0000 0000000000000539 0000019b00000000 0000000000000000 01 00 00
        00000002 0064 ffffffffffffffff ffffffffffffffff ffffffffffffffff
          02 00000000 036e6f 00
          046f6c64
          01 00 03 aabbcc                          // an unknown tag
        00
      00000007 00
    `)
    expect(byId().decode(answer)).toEqual({
      throttleMs: 7,
      partitions: [
        { topic: 'jobs', partition: 0, errorCode: 0, baseOffset: 1337, logAppendTimeMs: 0x19b00000000, errorMessage: undefined },
        { topic: 'jobs', partition: 2, errorCode: 100, baseOffset: -1, logAppendTimeMs: -1, errorMessage: 'old' },
      ],
    })
    for (let end = 0; end < answer.length; end++)
      expect(() => byId().decode(answer.subarray(0, end))).toThrow(/^Produce v13: the answer (ends within|has no room for)/)
  })

  it('is refused with an id that was not asked for', () => {
    const answer = wire('00 02 00000000000000000000000000000002 01 00 00000000 00')
    expect(() => byId().decode(answer)).toThrow('Produce v13: the answer has the topic id AAAAAAAAAAAAAAAAAAAAAg, which was not asked for')
  })
})
