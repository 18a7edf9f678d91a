import { randomUUID } from 'node:crypto'
import kafkajs, { type Admin } from 'kafkajs'
import { expect, onTestFinished } from 'vitest'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import type { LogReader, Topic } from '../../src/model/log.ts'
import type { Offset, Stretch } from '../../src/model/record.ts'
import { kcat } from '../services/kafka.ts'
import { readByOthers, type Told } from './kafka-clients.ts'

const { Kafka, logLevel } = kafkajs
export const { CompressionTypes, ConfigResourceTypes } = kafkajs

export const kafkajsOf = (bootstrap: string) => new Kafka({ brokers: bootstrap.split(','), clientId: 'read', logLevel: logLevel.NOTHING })

/** Runs with kafkajs's admin client. */
export async function administer<T>(bootstrap: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkajsOf(bootstrap).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

export interface MadeTopic {
  readonly partitions?: number
  readonly replication?: number
  readonly name?: string
  readonly config?: Readonly<Record<string, string | number | boolean>>
  /** Broker ids of each partition's copies; the first leads. */
  readonly assignment?: readonly (readonly number[])[]
}

/** A compacted topic with settings of its own, which goes with the test. */
export async function makeTopic(bootstrap: string, options: MadeTopic = {}): Promise<string> {
  const { partitions = 1, replication = 1, name = `read-${randomUUID()}`, config = {}, assignment } = options
  const configEntries = Object.entries({ 'cleanup.policy': 'compact', ...config }).map(([setting, value]) => ({
    name: setting,
    value: String(value),
  }))
  const where =
    assignment === undefined
      ? { numPartitions: partitions, replicationFactor: replication }
      : { replicaAssignment: assignment.map((replicas, partition) => ({ partition, replicas: [...replicas] })) }
  // kafkajs's own waiting for leaders takes a topic that isn't known everywhere yet for one that doesn't exist.
  await administer(bootstrap, admin => admin.createTopics({ topics: [{ topic: name, ...where, configEntries }], waitForLeaders: false }))
  const isKnown = async (broker: string) =>
    (await leadersBy(broker, name)).filter(leader => leader >= 0).length === (assignment?.length ?? partitions)
  for (const broker of bootstrap.split(',')) await expect.poll(() => isKnown(broker), { interval: 50 }).toBe(true)
  return name
}

/** By partition, as one broker knows it; empty where it doesn't know the topic. */
async function leadersBy(broker: string, topic: string): Promise<readonly number[]> {
  const { topics } = JSON.parse(await kcat(['-L', '-J', '-b', broker, '-t', topic])) as { topics: { partitions: { leader: number }[] }[] }
  return (topics[0]?.partitions ?? []).map(({ leader }) => leader)
}

/** Opens a topic that is there; the log is closed with the test. */
export async function openTopic(log: KafkaLog, name: string, partitions = 1): Promise<Topic> {
  onTestFinished(() => log.close())
  return await log.topic({ name, partitions, replication: -1, create: false })
}

export function toldBy(stretch: Stretch): readonly Told[] {
  const records: Told[] = []
  const cursor = stretch.records()
  const text = (start: number, end: number): string | null => (end < 0 ? null : Buffer.from(cursor.buffer.subarray(start, end)).toString())
  while (cursor.next()) {
    const { offset, timestampMs, keyStart, keyEnd, valueStart, valueEnd } = cursor
    records.push({ offset, timestampMs, key: text(keyStart, keyEnd), value: text(valueStart, valueEnd) })
  }
  return records
}

/** What one reader gave. */
export interface Reading {
  readonly stretches: readonly Stretch[]
  readonly records: readonly Told[]
}

/** Reads on to the first stretch that is caught up, and sees that each begins where the one before ended, and none goes beyond its end. */
export async function readOn(reader: LogReader, from: Offset, waitMs = 0): Promise<Reading> {
  const stretches: Stretch[] = []
  for (let position = from; ; ) {
    const stretch = await reader.next(waitMs)
    expect(stretch.from).toBe(position)
    expect(stretch.next).toBeLessThanOrEqual(stretch.endOffset)
    stretches.push(stretch)
    position = stretch.next
    if (position === stretch.endOffset) return { stretches, records: stretches.flatMap(toldBy) }
  }
}

/** Reads a partition from a position to its end by a reader of its own. */
export async function readOurs(log: KafkaLog, topic: Topic, partition: number, from: Offset): Promise<Reading> {
  const reader = log.reader(topic, partition, from)
  try {
    return await readOn(reader, from)
  } finally {
    reader.close()
  }
}

export interface Compared {
  readonly bootstrap: string
  readonly log: KafkaLog
  readonly topic: Topic
  readonly partition?: number
  /** A client that is known to be wrong here. */
  readonly without?: 'platformatic'
}

/**
 * Reads from each position by ours, and from the first by everybody: all tell the same, and the end that ours reaches is the partition's last stable offset.
 * @returns what ours read from the first position
 */
export async function expectSameByAll(
  { bootstrap, log, topic, partition = 0, without }: Compared,
  positions: readonly [Offset, ...Offset[]],
): Promise<Reading> {
  const [first] = positions
  const all = await readOurs(log, topic, partition, first)
  const others = await readByOthers({ bootstrap, topic: topic.name, partition, from: first }, all.records, without)
  expect(briefs(all.records)).toEqual(briefs(others.kcat))
  if (all.records.length > 0) {
    expect(briefs(others.java)).toEqual(briefs(others.kcat))
    if (without !== 'platformatic') expect(briefs(others.platformatic)).toEqual(briefs(others.kcat))
  }
  expect(all.stretches.at(-1)?.next).toBe((await log.endOffsets(topic))[partition])
  for (const from of positions.slice(1)) {
    const part = await readOurs(log, topic, partition, from)
    expect(briefs(part.records)).toEqual(briefs(others.kcat.filter(({ offset }) => offset >= from)))
    expect(part.stretches.at(-1)?.next).toBe(all.stretches.at(-1)?.next)
  }
  return all
}

/** Long values are told by their length and both ends, so that a difference can be read. */
export const briefs = (records: readonly Told[]): readonly Told[] =>
  records.map(({ value, ...record }) => ({ ...record, value: value === null || value.length <= 100 ? value : brief(value) }))

const brief = (value: string): string => `${value.slice(0, 20)}…${value.slice(-20)} (${value.length}, ${hash(value)})`

function hash(value: string): string {
  let sum = 0
  for (let at = 0; at < value.length; at++) sum = (Math.imul(sum, 31) + value.charCodeAt(at)) | 0
  return (sum >>> 0).toString(36)
}

/** The first offset in `[from, next)` at which nothing is: what a stretch should call its hole, where nothing but records was written. */
export function missingIn({ from, next }: Stretch, records: readonly Told[]): Offset | undefined {
  const present = new Set(records.map(({ offset }) => offset))
  for (let offset = from; offset < next; offset++) if (!present.has(offset)) return offset
  return undefined
}
