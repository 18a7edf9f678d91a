import { ByteReader, ByteWriter } from './bytes.ts'
import { type Api, type Request, shownApi } from './request.ts'

export interface EpochQuery {
  readonly partition: number
  /** The leader's epoch as metadata told it; -1 not to check. */
  readonly currentLeaderEpoch: number
  /** The epoch whose end is asked for: that of the last record read. */
  readonly leaderEpoch: number
}

export interface EpochEnd {
  readonly errorCode: number
  readonly partition: number
  /**
   * The largest epoch of the log that isn't above the one asked for; -1 where the one asked for is newer than all of the log's, so that its records
   * were cut.
   */
  readonly leaderEpoch: number
  /**
   * Where the records of that epoch end: one past the last. A position above it was read from a log that has been cut since. For an epoch older than
   * all of the log's, where the log's first known epoch begins. -1 where `leaderEpoch` is.
   */
  readonly endOffset: number
}

export const OFFSET_FOR_LEADER_EPOCH: Api = { name: 'OffsetForLeaderEpoch', apiKey: 23, apiVersion: 3 }

/**
 * Where the records of an epoch end, for partitions of one topic, in any order: tells a log that was cut.
 * Source: Kafka's protocol, OffsetForLeaderEpoch (23) version 3; KIP-320.
 */
export const offsetForLeaderEpochRequest = (topic: string, queries: readonly EpochQuery[]): Request<readonly EpochEnd[]> => ({
  ...OFFSET_FOR_LEADER_EPOCH,
  body: encode(topic, queries),
  decode: answer => decode(topic, answer),
})

function encode(topic: string, queries: readonly EpochQuery[]): Uint8Array {
  const writer = new ByteWriter()
  // A consumer, no replica; one topic.
  writer.int32(-1).int32(1).string(topic)
  return writer
    .array(queries, ({ partition, currentLeaderEpoch, leaderEpoch }) => writer.int32(partition).int32(currentLeaderEpoch).int32(leaderEpoch))
    .finish()
}

function decode(topic: string, answer: Buffer): readonly EpochEnd[] {
  const reader = new ByteReader(answer, shownApi(OFFSET_FOR_LEADER_EPOCH))
  reader.int32('the throttle time')
  const ends = reader.array('topics', () => {
    const name = reader.string('the name of a topic')
    if (name !== topic) throw reader.fault(`topic '${name}' for '${topic}'`)
    return reader.array('partitions', () => readEnd(reader))
  })
  reader.end()
  return ends.flat()
}

function readEnd(reader: ByteReader): EpochEnd {
  const errorCode = reader.int16('the error code of a partition')
  const partition = reader.int32('a partition')
  const leaderEpoch = reader.int32("a leader's epoch")
  const endOffset = reader.int64('the end of an epoch')
  return { errorCode, partition, leaderEpoch, endOffset }
}
