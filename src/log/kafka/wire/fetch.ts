import type { AbortedTransaction } from '../records/decode.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { type Api, type Request, shownApi } from './request.ts'

export interface FetchPartition {
  readonly partition: number
  /** The leader's epoch as metadata told it, so that a leader that was replaced, or doesn't know it leads yet, says so; -1 not to check. */
  readonly leaderEpoch: number
  readonly fetchOffset: number
  /** A batch larger than that comes whole only where it is the first of the answer. */
  readonly maxBytes: number
}

export interface FetchTopic {
  /** 22 characters, as kafka-topics prints it. */
  readonly id: string
  readonly partitions: readonly FetchPartition[]
}

export interface FetchOptions {
  /** How long the broker waits for a first byte. */
  readonly maxWaitMs: number
  /** Of all partitions together. */
  readonly maxBytes: number
  /** The broker fills the answer in this order. */
  readonly topics: readonly FetchTopic[]
}

export interface FetchedPartition {
  readonly topicId: string
  readonly partition: number
  readonly errorCode: number
  /** Offsets are -1 where the broker doesn't tell them, as with most errors. */
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  /** Those that end in this answer's records or later, ordered as the broker has them. */
  readonly aborted: readonly AbortedTransaction[]
  /**
   * Record batches, the last possibly cut off; the first may begin below the offset asked for. A view of the answer, so holding it holds the whole
   * answer. Empty where there are none.
   */
  readonly records: Buffer
}

export interface Fetched {
  readonly throttleMs: number
  /** Of the whole request; with one there are no partitions. */
  readonly errorCode: number
  /** In any order. */
  readonly partitions: readonly FetchedPartition[]
}

export const FETCH: Api = { name: 'Fetch', apiKey: 1, apiVersion: 13 }
const READ_COMMITTED = 1

/**
 * Records as a consumer reads them: committed ones, from the leader, at least one byte, in a full fetch without a session.
 * Source: Kafka's protocol, Fetch (1) version 13, flexible, topics by id (KIP-516).
 */
export const fetchRequest = (options: FetchOptions): Request<Fetched> => ({
  ...FETCH,
  body: encode(options),
  decode,
})

function encode({ maxWaitMs, maxBytes, topics }: FetchOptions): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.emptyTags()
  // A consumer, no replica; a byte at least.
  writer.int32(-1).int32(maxWaitMs).int32(1).int32(maxBytes).int8(READ_COMMITTED)
  // No session.
  writer.int32(0).int32(-1)
  writer.compactArray(topics, ({ id, partitions }) => {
    writer.uuid(id).compactArray(partitions, partition => writePartition(writer, partition))
    writer.emptyTags()
  })
  // Nothing to forget, no rack.
  return writer
    .compactArray([], () => undefined)
    .compactString('')
    .emptyTags()
    .finish()
}

function writePartition(writer: ByteWriter, { partition, leaderEpoch, fetchOffset, maxBytes }: FetchPartition): void {
  // The epoch fetched last and the start of the log are for replicas: the broker looks for a diverging log only where the first is given.
  writer.int32(partition).int32(leaderEpoch).int64(fetchOffset).int32(-1).int64(-1).int32(maxBytes).emptyTags()
}

function decode(answer: Buffer): Fetched {
  const reader = new ByteReader(answer, shownApi(FETCH))
  reader.skipTags()
  const throttleMs = reader.int32('the throttle time')
  const errorCode = reader.int16('the error code')
  reader.int32('the session id')
  const partitions: FetchedPartition[] = []
  reader.compactArray('topics', () => {
    const topicId = reader.uuid('a topic id')
    reader.compactArray('partitions', () => partitions.push(readPartition(reader, topicId)))
    reader.skipTags()
  })
  reader.skipTags()
  reader.end()
  return { throttleMs, errorCode, partitions }
}

function readPartition(reader: ByteReader, topicId: string): FetchedPartition {
  const partition = reader.int32('a partition')
  const errorCode = reader.int16('the error code of a partition')
  const highWatermark = reader.int64('the high watermark')
  const lastStableOffset = reader.int64('the last stable offset')
  const logStartOffset = reader.int64('the start of the log')
  const aborted = reader.compactArray('aborted transactions', () => readAborted(reader))
  reader.int32('the preferred replica')
  const records = reader.compactNullableBytes('records')
  // Tagged: the diverging epoch (0), which is for replicas, the current leader (1), which metadata tells as well, and a snapshot (2), of KRaft's own
  // log.
  reader.skipTags()
  return { topicId, partition, errorCode, highWatermark, lastStableOffset, logStartOffset, aborted, records }
}

function readAborted(reader: ByteReader): AbortedTransaction {
  const producerId = reader.int64('the producer of an aborted transaction')
  const firstOffset = reader.int64('the start of an aborted transaction')
  reader.skipTags()
  return { producerId, firstOffset }
}
