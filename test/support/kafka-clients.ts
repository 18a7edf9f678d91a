import { randomUUID } from 'node:crypto'
import { Consumer, MessagesStreamModes } from '@platformatic/kafka'
import { kafkaTool, kcat } from '../services/kafka.ts'

/** A record as any client tells it. Keys and values are ASCII without line breaks, as two of the clients write lines. */
export interface Told {
  readonly offset: number
  readonly timestampMs: number
  readonly key: string | null
  readonly value: string | null
}

/** Where a client begins to read one partition. */
export interface Place {
  readonly bootstrap: string
  readonly topic: string
  readonly partition: number
  readonly from: number
}

/** What other clients read from a place to the end, committed records alone. */
export interface ToldByOthers {
  readonly kcat: readonly Told[]
  readonly java: readonly Told[]
  readonly platformatic: readonly Told[]
}

/**
 * Reads by each. Only kcat tells by itself that it is at the end: the others stop behind as many records as `expected`, and so show that these are right, and not that
 * there are no more.
 */
export async function readByOthers(place: Place, expected: readonly Told[], without?: 'platformatic'): Promise<ToldByOthers> {
  const limit = expected.length
  if (limit === 0) return { kcat: await readByKcat(place), java: [], platformatic: [] }
  const [byKcat, byJava, byPlatformatic] = await Promise.all([
    readByKcat(place),
    readByJava(place, limit),
    without === 'platformatic' ? [] : readByPlatformatic(place, limit),
  ])
  return { kcat: byKcat, java: byJava, platformatic: byPlatformatic }
}

/** librdkafka; reads committed records, and ends at the end. */
export async function readByKcat({ bootstrap, topic, partition, from }: Place): Promise<readonly Told[]> {
  const where = ['-b', bootstrap, '-t', topic, '-p', String(partition), '-o', String(from)]
  const output = await kcat(['-C', ...where, '-e', '-q', '-X', 'check.crcs=true', '-f', '%o %T %K %S\n%k%s\n'])
  const told: Told[] = []
  for (let at = 0; at < output.length; ) {
    const headerEnd = output.indexOf('\n', at)
    const [offset = 0, timestampMs = 0, keyBytes = 0, valueBytes = 0] = output.slice(at, headerEnd).split(' ').map(Number)
    const keyEnd = headerEnd + 1 + Math.max(0, keyBytes)
    const valueEnd = keyEnd + Math.max(0, valueBytes)
    const key = keyBytes < 0 ? null : output.slice(headerEnd + 1, keyEnd)
    told.push({ offset, timestampMs, key, value: valueBytes < 0 ? null : output.slice(keyEnd, valueEnd) })
    at = valueEnd + 1
  }
  return told
}

/** It ends when there was nothing for so long. */
const JAVA_IDLE_MS = 15_000
const NULL = '<null>'

/** Java's own client. */
async function readByJava({ bootstrap, topic, partition, from }: Place, limit: number): Promise<readonly Told[]> {
  const where = ['--bootstrap-server', bootstrap, '--topic', topic, '--partition', String(partition), '--offset', String(from)]
  const shown = ['print.timestamp=true', 'print.offset=true', 'print.key=true', 'print.value=true', `null.literal=${NULL}`]
  const format = shown.flatMap(property => ['--formatter-property', property])
  const how = ['--isolation-level', 'read_committed', '--timeout-ms', String(JAVA_IDLE_MS), '--max-messages', String(limit)]
  const output = await kafkaTool('kafka-console-consumer', [...where, ...how, ...format])
  return output
    .split('\n')
    .filter(line => line !== '')
    .map(toldByJava)
}

function toldByJava(line: string): Told {
  const [time = '', offset = '', key = '', ...value] = line.split('\t')
  const text = (shown: string): string | null => (shown === NULL ? null : shown)
  return {
    offset: Number(offset.replace('Offset:', '')),
    timestampMs: Number(time.replace(/^.*:/, '')),
    key: text(key),
    value: text(value.join('\t')),
  }
}

/** A client written in JavaScript that shares nothing with kafkajs. */
async function readByPlatformatic({ bootstrap, topic, partition, from }: Place, limit: number): Promise<readonly Told[]> {
  const consumer = new Consumer({ groupId: `read-${randomUUID()}`, clientId: 'read', bootstrapBrokers: bootstrap.split(',') })
  try {
    const offsets = [{ topic, partition, offset: BigInt(from) }]
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.MANUAL, offsets, autocommit: false, maxWaitTime: 100 })
    const told: Told[] = []
    for await (const message of stream) {
      if (message.partition === partition) told.push(toldByPlatformatic(message))
      if (told.length >= limit) break
    }
    return told
  } finally {
    await consumer.close(true)
  }
}

interface PlatformaticMessage {
  readonly offset: bigint
  readonly timestamp: bigint
  readonly key: Buffer | null | undefined
  readonly value: Buffer | null | undefined
}

const toldByPlatformatic = ({ offset, timestamp, key, value }: PlatformaticMessage): Told => ({
  offset: Number(offset),
  timestampMs: Number(timestamp),
  key: key?.toString() ?? null,
  value: value?.toString() ?? null,
})
