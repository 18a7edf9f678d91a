import { createHash } from 'node:crypto'
import type { Generation, ViewFormat } from '../model/generation.ts'
import type { Topic } from '../model/log.ts'
import type { PartitionerName } from '../model/partitioner.ts'
import type { Pinned } from './command.ts'
import type { GenerationState } from './state.ts'

/** A view as the config describes it, defaults filled in. */
export interface ViewDefinition {
  readonly view: string
  readonly topic: string
  /** Of a topic that is yet to be made, and what an existing one must have. */
  readonly partitions: number
  readonly replication: number
  readonly create: boolean
  /** Name of the backend it lives in. */
  readonly backend: string
  /** Names of that backend's shards. */
  readonly shards: readonly string[]
  readonly partitioner: PartitionerName
  readonly writable: boolean
  readonly format: ViewFormat
  readonly ordered: boolean
  /** A JSON Schema (the document, not its path). Undefined: any value of the format. */
  readonly jsonSchema: unknown
  /** The source of what makes of a record what is stored. Left out: the record's value is. */
  readonly projection?: string | undefined
}

/**
 * Everything that shapes a copy, hashed: two generations with the same hash hold the same. How values are written (`writable`, `partitioner`) and
 * how a topic is made (`replication`, `create`) don't shape a copy.
 */
export function definitionHash(definition: ViewDefinition): string {
  const { topic, partitions, format, ordered, jsonSchema, projection, backend, shards } = definition
  const shaping = { topic, partitions, format, ordered, jsonSchema, projection, backend, shards: shards.toSorted() }
  return createHash('sha256').update(canonicalJson(shaping)).digest('hex')
}

/** What a generation by this definition is pinned to. */
export function pinnedOf(definition: ViewDefinition, topic: Topic, logId: string): Pinned {
  const { format, ordered, jsonSchema, projection, backend, shards } = definition
  return {
    topic: topic.name,
    partitions: topic.partitions,
    logId,
    topicId: topic.id,
    format,
    ordered,
    ...(jsonSchema === undefined ? {} : { jsonSchema: jsonSchema as Pinned['jsonSchema'] }),
    ...(projection === undefined ? {} : { projection }),
    backend,
    shards: [...shards],
    hash: definitionHash(definition),
  }
}

/** The view as a generation was made by it; how it is written and read is the config's. */
export const definitionOf = (
  config: ViewDefinition,
  { topic, partitions, format, ordered, jsonSchema, projection, backend, shards }: Pinned,
): ViewDefinition => ({
  ...config,
  topic,
  partitions,
  format,
  ordered,
  jsonSchema,
  projection,
  backend,
  shards,
})

/** @param controlTopicId of the topic that its `create` stands in */
export const generationOf = (
  view: string,
  { number, createdAt, pinned }: Pick<GenerationState, 'number' | 'createdAt' | 'pinned'>,
  controlTopicId: string,
): Generation => ({
  view,
  number,
  partitions: pinned.partitions,
  format: pinned.format,
  ordered: pinned.ordered,
  uid: `${controlTopicId}:${createdAt}`,
  logId: pinned.logId,
  topicId: pinned.topicId,
  definitionHash: pinned.hash,
})

/** JSON with the names of every object sorted, so that equal documents give equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
