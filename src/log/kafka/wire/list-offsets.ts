import { ByteReader, ByteWriter } from './bytes.ts'
import { type Api, type Request, shownApi } from './request.ts'

/** The end offset: one past the last stable record, as it reads committed records. */
export const LATEST = -1
/** Where the log starts. */
export const EARLIEST = -2

export interface OffsetQuery {
  readonly partition: number
  /** The leader's epoch as metadata told it; -1 not to check. */
  readonly leaderEpoch: number
  readonly timestamp: typeof LATEST | typeof EARLIEST
}

export interface ListedOffset {
  readonly partition: number
  readonly errorCode: number
  /** -1 with an error. */
  readonly offset: number
  /** Of the record at that offset, or, at the end, of the leader; -1 where there is none. */
  readonly leaderEpoch: number
}

export const LIST_OFFSETS: Api = { name: 'ListOffsets', apiKey: 2, apiVersion: 5 }
const READ_COMMITTED = 1

/**
 * Where partitions of one topic start or end, in any order. A partition is asked for once in a request.
 * Source: Kafka's protocol, ListOffsets (2) version 5.
 */
export const listOffsetsRequest = (topic: string, queries: readonly OffsetQuery[]): Request<readonly ListedOffset[]> => ({
  ...LIST_OFFSETS,
  body: encode(topic, queries),
  decode: answer => decode(topic, answer),
})

function encode(topic: string, queries: readonly OffsetQuery[]): Uint8Array {
  const writer = new ByteWriter()
  // A consumer, no replica; one topic.
  writer.int32(-1).int8(READ_COMMITTED).int32(1).string(topic)
  return writer.array(queries, ({ partition, leaderEpoch, timestamp }) => writer.int32(partition).int32(leaderEpoch).int64(timestamp)).finish()
}

function decode(topic: string, answer: Buffer): readonly ListedOffset[] {
  const reader = new ByteReader(answer, shownApi(LIST_OFFSETS))
  reader.int32('the throttle time')
  const offsets = reader.array('topics', () => {
    const name = reader.string('the name of a topic')
    if (name !== topic) throw reader.fault(`topic '${name}' for '${topic}'`)
    return reader.array('partitions', () => readOffset(reader))
  })
  reader.end()
  return offsets.flat()
}

function readOffset(reader: ByteReader): ListedOffset {
  const partition = reader.int32('a partition')
  const errorCode = reader.int16('the error code of a partition')
  reader.skip(8, 'a timestamp')
  const offset = reader.int64('an offset')
  const leaderEpoch = reader.int32("a leader's epoch")
  return { partition, errorCode, offset, leaderEpoch }
}
