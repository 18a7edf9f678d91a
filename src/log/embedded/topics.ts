import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { LogfoldError } from '../../model/errors.ts'
import type { Topic, TopicSpec } from '../../model/log.ts'
import { transaction } from '../../sqlite/open.ts'
import { PARTITIONS_PER_FILE_MAX } from './file.ts'

/** As Kafka's `max.message.bytes`, rounded: room for a value of 1,000,000 bytes and its key. */
const RECORD_BYTES_MAX = 1024 * 1024

export interface NumberedTopic extends Topic {
  /** The file's number of partition 0; the others follow. */
  readonly firstNumber: number
  /** Undefined: no record goes for its age. */
  readonly deleteAfterMs: number | undefined
}

/** @throws topic-missing, topic-mismatch */
export function findOrMakeTopic(db: DatabaseSync, spec: TopicSpec): NumberedTopic {
  const found = find(db, spec.name) ?? (spec.create ? transaction(db, 'immediate', () => find(db, spec.name) ?? make(db, spec)) : undefined)
  if (found === undefined) {
    throw new LogfoldError('topic-missing', `The log has no topic ${spec.name}`, {
      remedy: `Set create: true on the view, or correct its topic`,
    })
  }
  if (found.partitions !== spec.partitions) {
    throw new LogfoldError('topic-mismatch', `The topic ${spec.name} has ${found.partitions} partitions, not ${spec.partitions}`, {
      remedy: `Set partitions: ${found.partitions} on the view; the number of an existing topic stays`,
    })
  }
  if ((found.deleteAfterMs === undefined) !== (spec.deleteAfterMs === undefined)) {
    const [is, isNot] = spec.deleteAfterMs === undefined ? ['deleted for their age', 'kept'] : ['kept', 'deleted for their age']
    throw new LogfoldError('topic-mismatch', `The records of the topic ${spec.name} are ${is}, not ${isNot}`, { remedy: 'Name another topic' })
  }
  return found
}

function find(db: DatabaseSync, name: string): NumberedTopic | undefined {
  const row = db.prepare('SELECT id, partitions, first_number, record_bytes_max, delete_after_ms FROM topics WHERE name = ?').get(name)
  if (row === undefined) return undefined
  return {
    name,
    id: String(row.id),
    partitions: Number(row.partitions),
    recordBytesMax: Number(row.record_bytes_max),
    firstNumber: Number(row.first_number),
    deleteAfterMs: row.delete_after_ms === null ? undefined : Number(row.delete_after_ms),
  }
}

function make(db: DatabaseSync, spec: TopicSpec): NumberedTopic {
  const { name, partitions } = spec
  const firstNumber = Number(db.prepare('SELECT count(*) AS count FROM partitions').get()?.count)
  if (firstNumber + partitions > PARTITIONS_PER_FILE_MAX) {
    throw new LogfoldError('topic-mismatch', `The topic ${name} would bring the log file to more than ${PARTITIONS_PER_FILE_MAX} partitions`, {
      remedy: 'Use fewer partitions, or Kafka',
    })
  }
  const { recordBytesMax = RECORD_BYTES_MAX, deleteAfterMs } = spec
  const topic = { name, id: randomUUID(), partitions, recordBytesMax, firstNumber, deleteAfterMs }
  db.prepare('INSERT INTO topics (name, id, partitions, first_number, record_bytes_max, delete_after_ms) VALUES (?, ?, ?, ?, ?, ?)').run(
    name,
    topic.id,
    partitions,
    firstNumber,
    recordBytesMax,
    deleteAfterMs ?? null,
  )
  const insert = db.prepare('INSERT INTO partitions (number) VALUES (?)')
  for (let partition = 0; partition < partitions; partition++) insert.run(firstNumber + partition)
  return topic
}
