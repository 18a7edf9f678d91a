import { describe, expect, it } from 'vitest'
import { TOPIC_ID_NONE } from '../src/log/kafka/wire/bytes.ts'
import { fetchRequest } from '../src/log/kafka/wire/fetch.ts'
import { initProducerIdRequest } from '../src/log/kafka/wire/init-producer-id.ts'
import { EARLIEST, LATEST, listOffsetsRequest } from '../src/log/kafka/wire/list-offsets.ts'
import { metadataRequest } from '../src/log/kafka/wire/metadata.ts'
import { offsetForLeaderEpochRequest } from '../src/log/kafka/wire/offset-for-leader-epoch.ts'
import { produceRequest } from '../src/log/kafka/wire/produce.ts'
import type { Request } from '../src/log/kafka/wire/request.ts'

/** Bytes written by hand: hexadecimal, 'text' in quotes, and comments. */
const wire = (text: string): Buffer =>
  Buffer.concat(
    [...text.replaceAll(/\/\/.*$/gm, '').matchAll(/'([^']*)'|[0-9a-f]+/g)].map(([token, quoted]) =>
      quoted === undefined ? Buffer.from(token, 'hex') : Buffer.from(quoted),
    ),
  )

/** The id of these bytes, as kafka-topics prints it. */
const ID_BYTES = '00112233445566778899aabbccddeeff'
const ID = 'ABEiM0RVZneImaq7zN3u_w'

/** Two tagged fields that no version knows: tag 9 with three bytes, tag 300 without any. */
const UNKNOWN_TAGS = '02 09 03 aabbcc ac02 00'

interface Golden {
  readonly request: Request<unknown>
  /** Kafka's number of the request, and its version. */
  readonly key: readonly [number, number]
  readonly body: Buffer
  readonly answer: Buffer
  readonly decoded: unknown
}

const metadata: Golden = {
  request: metadataRequest(['jobs', 'gone']),
  key: [3, 12],
  body: wire(`
    00                                         // header: no tags
    03                                         // two topics
    00000000000000000000000000000000 05 'jobs' 00
    00000000000000000000000000000000 05 'gone' 00
    00 00 00                                   // don't make topics, don't tell operations, no tags
  `),
  answer: wire(`
    00                                         // header: no tags
    00000005                                   // throttled for 5 ms
    03                                         // two brokers
    00000001 0a '127.0.0.1' 00004a94 00 00
    00000002 02 'b' 00002384 03 'r1' ${UNKNOWN_TAGS}
    04 'cid' 00000002                          // cluster, controller
    03                                         // two topics
    0000 05 'jobs' ${ID_BYTES} 00
      03                                       // two partitions
      0000 00000000 00000001 00000007 03 00000001 00000002 02 00000001 01 00
      0005 00000001 ffffffff 00000008 03 00000001 00000002 01 02 00000001 ${UNKNOWN_TAGS}
      80000000 00                              // operations, no tags
    0003 05 'gone' 00000000000000000000000000000000 00 01 80000000 ${UNKNOWN_TAGS}
    ${UNKNOWN_TAGS}
  `),
  decoded: {
    throttleMs: 5,
    clusterId: 'cid',
    controllerId: 2,
    brokers: [
      { nodeId: 1, host: '127.0.0.1', port: 19_092, rack: undefined },
      { nodeId: 2, host: 'b', port: 9092, rack: 'r1' },
    ],
    topics: [
      {
        errorCode: 0,
        name: 'jobs',
        id: ID,
        partitions: [
          { errorCode: 0, index: 0, leader: 1, leaderEpoch: 7 },
          { errorCode: 5, index: 1, leader: -1, leaderEpoch: 8 },
        ],
      },
      { errorCode: 3, name: 'gone', id: TOPIC_ID_NONE, partitions: [] },
    ],
  },
}

const fetch: Golden = {
  request: fetchRequest({
    maxWaitMs: 500,
    maxBytes: 0x100000,
    topics: [{ id: ID, partitions: [{ partition: 3, leaderEpoch: 7, fetchOffset: 0x1_0000_0002, maxBytes: 0x8000 }] }],
  }),
  key: [1, 13],
  body: wire(`
    00                                         // header: no tags
    ffffffff 000001f4 00000001 00100000 01     // consumer, wait, one byte at least, most bytes, read committed
    00000000 ffffffff                          // no session
    02 ${ID_BYTES} 02
      00000003 00000007 0000000100000002 ffffffff ffffffffffffffff 00008000 00
    00                                         // no tags of the topic
    01 01 00                                   // nothing forgotten, no rack, no tags
  `),
  answer: wire(`
    ${UNKNOWN_TAGS}
    00000000 0000 00000000                     // throttle, error, session
    02 ${ID_BYTES}
      05                                       // four partitions
      00000003 0000 0000000100000009 0000000100000008 0000000000000001
        03                                     // two aborted transactions
        0000000000000fa0 0000000100000003 00
        0000000000000fa1 0000000100000004 ${UNKNOWN_TAGS}
        ffffffff 05 deadbeef                   // preferred replica, four bytes of records
        00
      00000004 0006 ffffffffffffffff ffffffffffffffff ffffffffffffffff 00 ffffffff 00
        01 01 09 00000002 00000008 00          // current leader: node 2, epoch 8
      00000005 0000 0000000000000005 0000000000000005 0000000000000000 01 ffffffff 01
        03                                     // three tags: diverging epoch, current leader, snapshot
        00 0d 00000001 0000000000000003 00
        01 09 00000002 00000008 00
        02 0d 0000000000000003 00000001 00
      00000006 0000 0000000000000001 0000000000000001 0000000000000000 00 ffffffff 02 ff ${UNKNOWN_TAGS}
      ${UNKNOWN_TAGS}
    ${UNKNOWN_TAGS}
  `),
  decoded: {
    throttleMs: 0,
    errorCode: 0,
    partitions: [
      {
        topicId: ID,
        partition: 3,
        errorCode: 0,
        highWatermark: 0x1_0000_0009,
        lastStableOffset: 0x1_0000_0008,
        logStartOffset: 1,
        aborted: [
          { producerId: 4000, firstOffset: 0x1_0000_0003 },
          { producerId: 4001, firstOffset: 0x1_0000_0004 },
        ],
        records: wire('deadbeef'),
      },
      {
        topicId: ID,
        partition: 4,
        errorCode: 6,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
        aborted: [],
        records: Buffer.alloc(0),
      },
      { topicId: ID, partition: 5, errorCode: 0, highWatermark: 5, lastStableOffset: 5, logStartOffset: 0, aborted: [], records: Buffer.alloc(0) },
      { topicId: ID, partition: 6, errorCode: 0, highWatermark: 1, lastStableOffset: 1, logStartOffset: 0, aborted: [], records: wire('ff') },
    ],
  },
}

const listOffsets: Golden = {
  request: listOffsetsRequest('jobs', [
    { partition: 0, leaderEpoch: 7, timestamp: LATEST },
    { partition: 1, leaderEpoch: -1, timestamp: EARLIEST },
  ]),
  key: [2, 5],
  body: wire(`
    ffffffff 01 00000001 0004 'jobs'           // consumer, read committed, one topic
    00000002
    00000000 00000007 ffffffffffffffff
    00000001 ffffffff fffffffffffffffe
  `),
  answer: wire(`
    00000000 00000001 0004 'jobs' 00000002     // throttle, one topic
    00000000 0000 ffffffffffffffff 0000000000000539 00000007
    00000001 004a ffffffffffffffff ffffffffffffffff ffffffff
  `),
  decoded: [
    { partition: 0, errorCode: 0, offset: 1337, leaderEpoch: 7 },
    { partition: 1, errorCode: 74, offset: -1, leaderEpoch: -1 },
  ],
}

const epochs: Golden = {
  request: offsetForLeaderEpochRequest('jobs', [
    { partition: 0, currentLeaderEpoch: 7, leaderEpoch: 5 },
    { partition: 1, currentLeaderEpoch: -1, leaderEpoch: 2 },
  ]),
  key: [23, 3],
  body: wire(`
    ffffffff 00000001 0004 'jobs' 00000002     // consumer, one topic
    00000000 00000007 00000005
    00000001 ffffffff 00000002
  `),
  answer: wire(`
    00000000 00000001 0004 'jobs' 00000002     // throttle, one topic
    0000 00000000 00000004 0000000000000539
    0006 00000001 ffffffff ffffffffffffffff
  `),
  decoded: [
    { errorCode: 0, partition: 0, leaderEpoch: 4, endOffset: 1337 },
    { errorCode: 6, partition: 1, leaderEpoch: -1, endOffset: -1 },
  ],
}

const producerId: Golden = {
  request: initProducerIdRequest(),
  key: [22, 1],
  body: wire('ffff 7fffffff'), // no transaction
  answer: wire('00000000 0000 0000000000000fa0 0003'),
  decoded: { errorCode: 0, producerId: 4000, producerEpoch: 3 },
}

const produce: Golden = {
  request: produceRequest({
    timeoutMs: 10_000,
    topics: [
      {
        name: 'jobs',
        id: 'AAAAAAAAAAAAAAAAAAAAAQ',
        partitions: [
          { partition: 0, records: wire('deadbeef') },
          { partition: 2, records: wire('ff') },
        ],
      },
      { name: 'é', id: 'AAAAAAAAAAAAAAAAAAAAAg', partitions: [{ partition: 1, records: new Uint8Array(0) }] },
    ],
  }),
  key: [0, 8],
  body: wire(`
    ffff ffff 00002710                         // no transaction, all in-sync replicas, timeout
    00000002
    0004 'jobs' 00000002
      00000000 00000004 deadbeef
      00000002 00000001 ff
    0002 c3a9 00000001
      00000001 00000000
  `),
  answer: wire(`
    00000002
    0004 'jobs' 00000002
      00000000 0000 0000000000000539 0000019b00000000 0000000000000000 00000000 ffff
      00000002 0057 ffffffffffffffff ffffffffffffffff ffffffffffffffff
        00000002 00000000 0002 'no' 00000001 ffff
        0007 'no keys'
    0002 c3a9 00000001
      00000001 0006 0000000000000007 ffffffffffffffff 0000000000000000 00000000 0000
    00000014                                   // throttled for 20 ms
  `),
  decoded: {
    throttleMs: 20,
    partitions: [
      { topic: 'jobs', partition: 0, errorCode: 0, baseOffset: 1337, logAppendTimeMs: 0x19b * 2 ** 32, errorMessage: undefined },
      { topic: 'jobs', partition: 2, errorCode: 87, baseOffset: -1, logAppendTimeMs: -1, errorMessage: 'no keys' },
      { topic: 'é', partition: 1, errorCode: 6, baseOffset: 7, logAppendTimeMs: -1, errorMessage: '' },
    ],
  },
}

describe.each(Object.entries({ metadata, fetch, listOffsets, epochs, producerId, produce }))('%s', (_, { request, key, body, answer, decoded }) => {
  it('is written as the protocol defines it', () => {
    expect([request.apiKey, request.apiVersion]).toEqual(key)
    expect(Buffer.from(request.body).toString('hex')).toBe(body.toString('hex'))
  })

  it('is a Buffer, as kafkajs copies it by a method of its own', () => {
    expect(Buffer.isBuffer(request.body)).toBe(true)
  })

  it('has its answer read, whatever unknown tagged fields it has', () => {
    expect(request.decode(answer)).toEqual(decoded)
  })

  it('has an answer refused that ends anywhere too early', () => {
    for (let length = 0; length < answer.length; length++) {
      const name = `${request.name} v${request.apiVersion}`
      expect(() => request.decode(answer.subarray(0, length)), `${length} bytes`).toThrow(
        new RegExp(`^${name}: the answer (ends within .+ \\(byte \\d+ of ${length}\\)|has no room for \\d+ items of .+)`),
      )
    }
  })

  it('has an answer refused that goes on behind its end', () => {
    expect(() => request.decode(Buffer.concat([answer, Buffer.alloc(2)]))).toThrow('the answer has 2 bytes more than expected')
  })
})

describe('an answer', () => {
  it('to a fetch is not copied', () => {
    const answer = Buffer.from(fetch.answer)
    const [first] = fetchRequest({ maxWaitMs: 0, maxBytes: 0, topics: [] }).decode(answer).partitions
    expect(first?.records.buffer).toBe(answer.buffer)
    expect(first?.records.byteOffset).toBe(answer.byteOffset + answer.indexOf(wire('deadbeef')))
  })

  it.each([['listOffsets', listOffsets] as const, ['epochs', epochs] as const])('to %s about another topic is refused', (_, { request, answer }) => {
    const other = Buffer.from(answer)
    other.write('mobs', other.indexOf('jobs'))
    expect(() => request.decode(other)).toThrow("the answer has topic 'mobs' for 'jobs'")
  })
})
