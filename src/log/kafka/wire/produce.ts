import { ByteReader, ByteWriter } from './bytes.ts'
import type { Request } from './request.ts'

export interface ProducePartition {
  readonly partition: number
  /** One record batch v2. */
  readonly records: Uint8Array
}

export interface ProduceTopic {
  readonly name: string
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

const NAME = 'Produce v8'
const ALL_IN_SYNC_REPLICAS = -1

/**
 * Appends a batch to each partition, and waits until all in-sync replicas have it. Partitions fail one by one.
 * Source: Kafka's protocol, Produce (0) version 8.
 */
export const produceRequest = (options: ProduceOptions): Request<Produced> => ({
  name: 'Produce',
  apiKey: 0,
  apiVersion: 8,
  body: encode(options),
  decode,
})

function encode({ timeoutMs, topics }: ProduceOptions): Uint8Array {
  const recordBytes = topics.reduce((sum, { partitions }) => partitions.reduce((bytes, { records }) => bytes + records.length, sum), 0)
  const writer = new ByteWriter(recordBytes + 1024)
  writer.string(null).int16(ALL_IN_SYNC_REPLICAS).int32(timeoutMs)
  return writer
    .array(topics, ({ name, partitions }) =>
      writer.string(name).array(partitions, ({ partition, records }) => writer.int32(partition).int32(records.length).raw(records)),
    )
    .finish()
}

function decode(answer: Buffer): Produced {
  const reader = new ByteReader(answer, NAME)
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
