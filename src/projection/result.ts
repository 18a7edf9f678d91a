import { messageOf } from '../model/errors.ts'
import type { Fault } from '../model/fault.ts'
import type { ViewFormat } from '../model/generation.ts'
import { limits } from '../model/limits.ts'
import { isPlainJsonValue, valueFault } from '../model/value.ts'

/**
 * What a projection returned, as bytes of the view's format, checked by the limits of any value; undefined: there is no entry. Stricter than
 * JSON.stringify, which leaves out, or makes null of, what JSON can't say.
 */
export function bytesOfResult(format: ViewFormat, result: unknown): Uint8Array | Fault | undefined {
  if (result === null || result === undefined) return undefined
  try {
    const bytes = encode(format, result)
    if (format === 'json' && isPlainJsonValue(bytes, 0, bytes.length)) return bytes
    const fault = valueFault(format, bytes)
    return fault === undefined ? bytes : resultFault(fault.detail)
  } catch (error) {
    return resultFault(messageOf(error))
  }
}

const resultFault = (detail: string): Fault => ({ reason: 'projection-result', detail: `What the projection returned cannot be stored: ${detail}` })

function encode(format: ViewFormat, result: unknown): Uint8Array {
  if (isThenable(result)) throw new Error('it is a promise; the function must return its result at once')
  if (format === 'bytes') {
    if (!(result instanceof Uint8Array)) throw new Error(`it is ${kindOf(result)}, and must be a Uint8Array or null`)
    // A copy, as the next record may be given the same one with other bytes.
    return new Uint8Array(result)
  }
  if (format === 'text') {
    if (typeof result !== 'string') throw new Error(`it is ${kindOf(result)}, and must be a string or null`)
    if (!result.isWellFormed()) throw new Error('it contains a lone surrogate')
    return Buffer.from(result)
  }
  checkJson(result, '', 0)
  return Buffer.from(JSON.stringify(result))
}

/** @throws what JSON can't say of it. The depth also ends a circle. */
function checkJson(given: unknown, pointer: string, depth: number): void {
  const value = tellsItself(given) ? given.toJSON() : given
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error(`${placeOf(pointer)} is ${value}`)
    return
  }
  if (typeof value !== 'object') throw new Error(`${placeOf(pointer)} is ${kindOf(value)}`)
  if (depth >= limits.jsonDepthMax) throw new Error(`it nests deeper than ${limits.jsonDepthMax} arrays and objects, or in a circle`)
  if (Array.isArray(value)) {
    // Not by entries(): a hole is undefined, and counts.
    for (let at = 0; at < value.length; at++) checkJson(value[at], `${pointer}/${at}`, depth + 1)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype) throw new Error(`${placeOf(pointer)} is ${kindOf(value)}`)
  // JSON.stringify leaves a member out whose value is undefined, as its author will have meant it.
  for (const [name, member] of Object.entries(value)) if (member !== undefined) checkJson(member, `${pointer}/${name}`, depth + 1)
}

const placeOf = (pointer: string): string => (pointer === '' ? 'it' : pointer)

/** As a Date does. */
const tellsItself = (value: unknown): value is { toJSON(): unknown } =>
  typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'

const isThenable = (value: unknown): boolean => typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `of type ${typeof value}`
  const { constructor: made } = value
  return made === Object ? 'an object' : `an instance of ${typeof made === 'function' ? made.name : 'something'}`
}
