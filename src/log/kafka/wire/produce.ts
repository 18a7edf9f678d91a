import { ByteReader, ByteWriter } from './bytes.ts'
import { type Api, type Request, shownApi } from './request.ts'

export interface ProducePartition {
  readonly partition: number
  /** One record batch v2. */
  readonly records: Uint8Array
}

export interface ProduceTopic {
  readonly name: string
  /**
   * 22 characters, as kafka-topics prints it. A broker before Kafka 4.1 doesn't look at it: a topic that was made
   * again under the name would take the records.
   */
  readonly id: string
  readonly partitions: readonly ProducePartition[]
}

export interface ProduceOptions {
  /** How long the broker waits for the in-sync replicas. */
  readonly timeoutMs: number
  readonly topics: readonly ProduceTopic[]
}

export interface ProducedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** Offset of the batch's first record. With an error: -1, or where the leader had already appended the batch (see `appendOutcomeOf`). */
  readonly baseOffset: number
  /** Milliseconds since the epoch; -1 where the topic keeps the times of the producer. */
  readonly logAppendTimeMs: number
  /** What the broker says of the error, if anything. */
  readonly errorMessage: string | undefined
}

export interface Produced {
  readonly throttleMs: number
  /** In any order. */
  readonly partitions: readonly ProducedPartition[]
}

export const PRODUCE: Api = { name: 'Produce', apiKey: 0, apiVersion: 8 }
const PRODUCE_BY_ID: Api = { ...PRODUCE, apiVersion: 13 }
const ALL_IN_SYNC_REPLICAS = -1

/**
 * Appends a batch to each partition, and waits until all in-sync replicas have it. Partitions fail one by one.
 * Source: Kafka's protocol, Produce (0) versions 8, and 13, flexible, topics by id (KIP-516).
 */
export const produceRequest = (options: ProduceOptions): Request<Produced> => ({
  ...PRODUCE,
  // Some megabytes, so that only the version that is sent is written.
  get body() {
    return encode(options)
  },
  decode,
  newer: {
    apiVersion: PRODUCE_BY_ID.apiVersion,
    request: () => ({ ...PRODUCE_BY_ID, body: encodeById(options), decode: answer => decodeById(answer, options) }),
  },
})

const bytesExpected = ({ topics }: ProduceOptions): number =>
  topics.reduce((sum, { partitions }) => partitions.reduce((bytes, { records }) => bytes + records.length + 16, sum), 1024)

function encode(options: ProduceOptions): Uint8Array {
  const { timeoutMs, topics } = options
  const writer = new ByteWriter(bytesExpected(options))
  writer.string(null).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs)
  return writer
    .array(topics, ({ name, partitions }) =>
      writer.string(name).array(partitions, ({ partition, records }) => writer.int32(partition).int32(records.length).raw(records)),
    )
    .finish()
}

function decode(answer: Buffer): Produced {
  const reader = new ByteReader(answer, shownApi(PRODUCE))
  const partitions = reader.array('topics', () => {
    const topic = reader.string('the name of a topic')
    return reader.array('partitions', () => readPartition(reader, topic))
  })
  const throttleMs = reader.int32('the throttle time')
  reader.end()
  return { throttleMs, partitions: partitions.flat() }
}

function readPartition(reader: ByteReader, topic: string): ProducedPartition {
  const partition = reader.int32('a partition')
  const errorCode = reader.int16('the error code of a partition')
  const baseOffset = reader.int64('the base offset')
  const logAppendTimeMs = reader.int64('the time of appending')
  reader.skip(8, 'the start of the log')
  // A batch is refused as a whole, and the message names the first of these.
  reader.array('refused records', () => {
    reader.int32('the index of a refused record')
    reader.nullableString('why a record was refused')
  })
  const errorMessage = reader.nullableString('an error message')
  return { topic, partition, errorCode, baseOffset, logAppendTimeMs, errorMessage }
}

function encodeById(options: ProduceOptions): Uint8Array {
  const { timeoutMs, topics } = options
  const writer = new ByteWriter(bytesExpected(options))
  writer.emptyTags()
  writer.compactString(null).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs)
  writer.compactArray(topics, ({ id, partitions }) => {
    writer.uuid(id).compactArray(partitions, ({ partition, records }) => {
      writer
        .int32(partition)
        .uvarint(records.length + 1)
        .raw(records)
        .emptyTags()
    })
    writer.emptyTags()
  })
  return writer.emptyTags().finish()
}

function decodeById(answer: Buffer, { topics }: ProduceOptions): Produced {
  const names = new Map(topics.map(({ id, name }) => [id, name]))
  const reader = new ByteReader(answer, shownApi(PRODUCE_BY_ID))
  reader.skipTags()
  const partitions = reader.compactArray('topics', () => {
    const id = reader.uuid('the id of a topic')
    const topic = names.get(id)
    if (topic === undefined) throw reader.fault(`the topic id ${id}, which was not asked for`)
    const its = reader.compactArray('partitions', () => readPartitionById(reader, topic))
    reader.skipTags()
    return its
  })
  const throttleMs = reader.int32('the throttle time')
  reader.skipTags()
  reader.end()
  return { throttleMs, partitions: partitions.flat() }
}

function readPartitionById(reader: ByteReader, topic: string): ProducedPartition {
  const partition = reader.int32('a partition')
  const errorCode = reader.int16('an error code')
  const baseOffset = reader.int64('a base offset')
  const logAppendTimeMs = reader.int64('a log append time')
  reader.int64('a log start offset')
  // The records at fault, of which one has no more than the error message has.
  reader.compactArray('record errors', () => {
    reader.int32('the index of a record')
    reader.compactNullableString('the error of a record')
    reader.skipTags()
  })
  const errorMessage = reader.compactNullableString('an error message')
  reader.skipTags()
  return { topic, partition, errorCode, baseOffset, logAppendTimeMs, errorMessage }
}
