import type { BackendKinds } from './backend-kinds.ts'
import { FORMS } from './interpolate.ts'
import { configSchema } from './schema.ts'
import { type JsonSchemaNode, toJsonSchema, toJsonSchemaIfZod } from './schema-nodes.ts'

/** JSON Schema, draft 7, of a config file, for editors: completion, descriptions, and faults while one writes. */
export async function editorSchema(kinds: BackendKinds, baseDir: string): Promise<JsonSchemaNode> {
  const schema = toJsonSchema(configSchema)
  const sections = await Promise.all(
    kinds.builtInKinds.map(async kind => {
      const { config } = await kinds.loadBackend(kind, baseDir)
      return sectionOf({ const: kind }, toJsonSchemaIfZod(config))
    }),
  )
  const { backends } = schema.properties ?? {}
  if (backends !== undefined) {
    const { description } = typeof backends.additionalProperties === 'object' ? backends.additionalProperties : {}
    const own = sectionOf({ type: 'string', pattern: '[./]', description: 'The path of a module of your own, relative to this file.' }, undefined)
    backends.additionalProperties = { ...(description === undefined ? {} : { description }), anyOf: [...sections, own] }
  }
  return { ...interpolatable(schema), title: 'logfold' }
}

function sectionOf(kind: JsonSchemaNode, section: JsonSchemaNode | undefined): JsonSchemaNode {
  const { $schema: _, ...own } = section ?? { type: 'object', additionalProperties: true }
  const required = Array.isArray(own.required) ? own.required : []
  return { ...own, properties: { kind, ...own.properties }, required: ['kind', ...required] }
}

const INTERPOLATED: JsonSchemaNode = { type: 'string', pattern: '\\$\\{', description: `Any of ${FORMS}` }

/** Any value may also be a text with `${…}` in it. */
function interpolatable(node: JsonSchemaNode): JsonSchemaNode {
  const inner: JsonSchemaNode = { ...node }
  if (node.properties !== undefined) {
    inner.properties = Object.fromEntries(Object.entries(node.properties).map(([name, member]) => [name, orInterpolated(member)]))
  }
  if (typeof node.additionalProperties === 'object') inner.additionalProperties = orInterpolated(node.additionalProperties)
  if (node.items !== undefined) inner.items = orInterpolated(node.items)
  if (node.anyOf !== undefined) inner.anyOf = node.anyOf.map(interpolatable)
  if (node.oneOf !== undefined) inner.oneOf = node.oneOf.map(interpolatable)
  return inner
}

function orInterpolated(node: JsonSchemaNode): JsonSchemaNode {
  const isFreeText = node.type === 'string' && node.pattern === undefined && node.enum === undefined && node.const === undefined
  const isUnionOfMaps = (node.anyOf ?? node.oneOf)?.every(one => one.type === 'object') === true
  if (isFreeText || node.const !== undefined || node.type === 'object' || isUnionOfMaps) return interpolatable(node)
  const { description, default: fallback, ...checked } = interpolatable(node)
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [checked, INTERPOLATED],
  }
}
