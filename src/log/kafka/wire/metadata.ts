import { ByteReader, ByteWriter } from './bytes.ts'
import { type Api, type Request, shownApi } from './request.ts'

export interface Broker {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | undefined
}

export interface PartitionMetadata {
  /** LEADER_NOT_AVAILABLE and its like: the other fields may hold all the same. */
  readonly errorCode: number
  readonly index: number
  /** Node id; -1 for none. */
  readonly leader: number
  /** -1 where it isn't known. */
  readonly leaderEpoch: number
}

export interface TopicMetadata {
  readonly errorCode: number
  readonly name: string
  /** 22 characters, as kafka-topics prints it; `TOPIC_ID_NONE` where there is no such topic. */
  readonly id: string
  /** In the broker's order, which is any. Empty with most errors. */
  readonly partitions: readonly PartitionMetadata[]
}

export interface Metadata {
  readonly throttleMs: number
  readonly clusterId: string | undefined
  /** Node id; -1 for none. Since KRaft any broker, as brokers don't tell which is the controller. */
  readonly controllerId: number
  readonly brokers: readonly Broker[]
  /** One for each name asked for, in any order. */
  readonly topics: readonly TopicMetadata[]
}

export const METADATA: Api = { name: 'Metadata', apiKey: 3, apiVersion: 12 }

/**
 * Brokers, and the topics of these names; without names the brokers alone. Makes no topic.
 * Source: Kafka's protocol, Metadata (3) version 12, flexible.
 */
export const metadataRequest = (topics: readonly string[]): Request<Metadata> => ({
  ...METADATA,
  body: encode(topics),
  decode,
})

function encode(topics: readonly string[]): Uint8Array {
  const writer = new ByteWriter()
  const noId = new Uint8Array(16)
  writer.emptyTags()
  writer.compactArray(topics, name => writer.raw(noId).compactString(name).emptyTags())
  // Neither makes topics, nor tells what we may do with them.
  return writer.bool(false).bool(false).emptyTags().finish()
}

function decode(answer: Buffer): Metadata {
  const reader = new ByteReader(answer, shownApi(METADATA))
  reader.skipTags()
  const throttleMs = reader.int32('the throttle time')
  const brokers = reader.compactArray('brokers', () => readBroker(reader))
  const clusterId = reader.compactNullableString('the cluster id')
  const controllerId = reader.int32('the controller id')
  const topics = reader.compactArray('topics', () => readTopic(reader))
  reader.skipTags()
  reader.end()
  return { throttleMs, clusterId, controllerId, brokers, topics }
}

function readBroker(reader: ByteReader): Broker {
  const nodeId = reader.int32('a node id')
  const host = reader.compactString('a host')
  const port = reader.int32('a port')
  const rack = reader.compactNullableString('a rack')
  reader.skipTags()
  return { nodeId, host, port, rack }
}

function readTopic(reader: ByteReader): TopicMetadata {
  const errorCode = reader.int16('the error code of a topic')
  const name = reader.compactString('the name of a topic')
  const id = reader.uuid('a topic id')
  reader.bool('whether a topic is internal')
  const partitions = reader.compactArray('partitions', () => readPartition(reader))
  reader.int32('authorized operations')
  reader.skipTags()
  return { errorCode, name, id, partitions }
}

function readPartition(reader: ByteReader): PartitionMetadata {
  const errorCode = reader.int16('the error code of a partition')
  const index = reader.int32('a partition')
  const leader = reader.int32('a leader')
  const leaderEpoch = reader.int32("a leader's epoch")
  for (const what of ['replicas', 'in-sync replicas', 'offline replicas']) reader.compactArray(what, () => reader.int32(what))
  reader.skipTags()
  return { errorCode, index, leader, leaderEpoch }
}
