import { createHash } from 'node:crypto'
import type { PartitionerName } from '../model/partitioner.ts'
import type { ViewFormat } from '../model/view-backend.ts'

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
}

/**
 * Everything that shapes a copy, hashed: two generations with the same hash hold the same. How values are written (`writable`, `partitioner`) and
 * how a topic is made (`replication`, `create`) don't shape a copy.
 */
export function definitionHash(definition: ViewDefinition): string {
  const { topic, partitions, format, ordered, jsonSchema, backend, shards } = definition
  const shaping = { topic, partitions, format, ordered, jsonSchema, backend, shards: shards.toSorted() }
  return createHash('sha256').update(canonicalJson(shaping)).digest('hex')
}

/** JSON with the names of every object sorted, so that equal documents give equal text. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  )
}
