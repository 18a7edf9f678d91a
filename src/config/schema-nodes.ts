import { z } from 'zod'
import type { ConfigSchema } from '../model/config-schema.ts'
import type { Path } from './location.ts'
import { getIn, isMap } from './tree.ts'

/** The part of a JSON Schema that this folder looks at. */
export interface JsonSchemaNode {
  [keyword: string]: unknown
  type?: unknown
  description?: string
  properties?: Record<string, JsonSchemaNode>
  additionalProperties?: boolean | JsonSchemaNode
  items?: JsonSchemaNode
  anyOf?: JsonSchemaNode[]
  oneOf?: JsonSchemaNode[]
}

/** JSON Schema, draft 7, of what a user writes. */
export const toJsonSchema = (schema: z.ZodType): JsonSchemaNode =>
  z.toJSONSchema(schema, { target: 'draft-7', io: 'input', unrepresentable: 'any' }) as JsonSchemaNode

/** The same for a backend's own schema, where it is one of zod's; undefined where it can't be told. */
export function toJsonSchemaIfZod(schema: ConfigSchema<unknown>): JsonSchemaNode | undefined {
  if (schema['~standard'].vendor !== 'zod' || !(schema instanceof z.ZodType)) return undefined
  return toJsonSchema(schema)
}

/** What the schema says of what stands at the path of the value. */
export function nodeAt(schema: JsonSchemaNode | undefined, path: Path, value: unknown): JsonSchemaNode | undefined {
  return nodesAt(schema, path, value)[0]
}

/** The keys that the map at the path of the value may have. */
export function knownKeys(schema: JsonSchemaNode | undefined, path: Path, value: unknown): readonly string[] {
  return [...new Set(nodesAt(schema, path, value).flatMap(node => Object.keys(node.properties ?? {})))]
}

function nodesAt(schema: JsonSchemaNode | undefined, path: Path, value: unknown): readonly JsonSchemaNode[] {
  let nodes = schema === undefined ? [] : alternatives(schema, value)
  for (const [at, part] of path.entries()) {
    const child = getIn(value, path.slice(0, at + 1))
    nodes = nodes.flatMap(node => childrenOf(node, part)).flatMap(node => alternatives(node, child))
  }
  return nodes
}

const alternatives = (node: JsonSchemaNode, value: unknown): JsonSchemaNode[] => [
  node,
  ...[...(node.anyOf ?? []), ...(node.oneOf ?? [])].filter(one => isMeant(one, value)).flatMap(one => alternatives(one, value)),
]

/** An alternative that names another kind than the value does isn't meant. */
function isMeant({ properties = {} }: JsonSchemaNode, value: unknown): boolean {
  return Object.entries(properties).every(
    ([key, node]) => node.const === undefined || node.const === ((isMap(value) ? value[key] : undefined) ?? node.default),
  )
}

function childrenOf(node: JsonSchemaNode, part: string | number): JsonSchemaNode[] {
  if (typeof part === 'number') return node.items === undefined ? [] : [node.items]
  const { properties, additionalProperties } = node
  if (properties !== undefined && Object.hasOwn(properties, part)) return [properties[part] ?? {}]
  return typeof additionalProperties === 'object' ? [additionalProperties] : []
}
