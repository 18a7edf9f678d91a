import { Ajv as Ajv7, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type ErrorDetail, LogfoldError, messageOf } from '../model/errors.ts'
import type { SchemaCheck } from '../model/value.ts'

const ERRORS_MAX = 20
/** All errors are looked for in small values only: a value of a million wrong items would give a million errors. */
const VALUES_FOR_ALL_ERRORS_MAX = 10_000

const drafts = new Map([
  ['http://json-schema.org/draft-07/schema', Ajv7],
  ['https://json-schema.org/draft/2020-12/schema', Ajv2020],
])

export interface CompiledSchema {
  readonly check: SchemaCheck
  /** Keywords that mean nothing: perhaps a slip of the pen. */
  readonly notes: readonly string[]
}

/**
 * Compiles a JSON Schema, draft 7 or 2020-12 (the default, where `$schema` doesn't say). At most 20 errors of a value
 * are told, and of a very large value one.
 * @throws config-invalid where it is no schema, of another draft, or refers to something that isn't in it.
 */
export function compileJsonSchema(document: unknown): CompiledSchema {
  const Ajv = ajvFor(document)
  const notes: string[] = []
  const note = (...parts: unknown[]): void => {
    notes.push(
      parts
        .map(String)
        .join(' ')
        .replace(/^strict mode: /, ''),
    )
  }
  const options: Options = { strict: false, strictSchema: 'log', ownProperties: true, logger: { log: note, warn: note, error: () => undefined } }
  const compile = (more: Options): ValidateFunction => {
    const ajv = new Ajv({ ...options, ...more })
    addFormats.default(ajv)
    try {
      return ajv.compile(document as boolean | object)
    } catch (error) {
      throw new LogfoldError('config-invalid', `It is no JSON Schema that can be used: ${messageOf(error).replace(' ignored in schema', '')}`, {
        cause: error,
      })
    }
  }
  const first = compile({})
  const told = notes.length
  const all = compile({ allErrors: true })
  notes.length = told
  const check: SchemaCheck = value => {
    if (first(value)) return []
    const used = isSmall(value) ? all : first
    used(value)
    return (used.errors ?? []).slice(0, ERRORS_MAX).map(toDetail)
  }
  return { check, notes }
}

function ajvFor(document: unknown): typeof Ajv7 | typeof Ajv2020 {
  const isObject = typeof document === 'object' && document !== null && !Array.isArray(document)
  if (!isObject && typeof document !== 'boolean') throw new LogfoldError('config-invalid', 'A JSON Schema is an object, true or false')
  const { $schema, $async } = isObject ? (document as Record<string, unknown>) : {}
  if ($async === true) throw new LogfoldError('config-invalid', 'An asynchronous JSON Schema cannot be used')
  if ($schema === undefined) return Ajv2020
  const draft = drafts.get(String($schema).replace(/#$/, ''))
  if (draft !== undefined) return draft
  throw new LogfoldError('config-invalid', `$schema names ${JSON.stringify($schema)}; known are ${[...drafts.keys()].join(' and ')}`)
}

const toDetail = (error: ErrorObject): ErrorDetail => {
  const { instancePath, keyword, params } = error
  const member = (name: unknown): string => `${instancePath}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`
  if (keyword === 'required') return { pointer: member(params.missingProperty), detail: 'is missing' }
  if (keyword === 'additionalProperties') return { pointer: member(params.additionalProperty), detail: 'is not allowed here' }
  if (keyword === 'unevaluatedProperties') return { pointer: member(params.unevaluatedProperty), detail: 'is not allowed here' }
  if (keyword === 'enum') return { pointer: instancePath, detail: `must be one of ${JSON.stringify(params.allowedValues).slice(1, -1)}` }
  return { pointer: instancePath, detail: error.message ?? `does not fit ${keyword}` }
}

/** Counts values until there are too many. */
function isSmall(value: unknown): boolean {
  const open = [value]
  for (let seen = 0; open.length > 0; seen++) {
    if (seen > VALUES_FOR_ALL_ERRORS_MAX) return false
    const one = open.pop()
    if (typeof one !== 'object' || one === null) continue
    const members = Object.values(one)
    if (members.length > VALUES_FOR_ALL_ERRORS_MAX) return false
    open.push(...members)
  }
  return true
}
