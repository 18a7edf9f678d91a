import { LogfoldError } from '../model/errors.ts'
import type { Fault } from '../model/fault.ts'
import { idStringFault } from '../model/id.ts'
import { limits } from '../model/limits.ts'

/** The error of an id or a value that isn't taken: REST refuses it for the reason the fold would make a dead letter of it. */
export function faultError(fault: Fault): LogfoldError {
  if (fault.reason.startsWith('key-')) {
    const remedy = `An id has 1 to ${limits.idBytesMax} bytes of UTF-8, without NUL.`
    return new LogfoldError('invalid-id', fault.detail, { remedy })
  }
  if (fault.reason === 'value-schema-mismatch') {
    return new LogfoldError('schema-mismatch', fault.detail, { errors: fault.errors, remedy: 'Correct the members that `errors` names.' })
  }
  if (fault.reason === 'value-too-large') {
    return new LogfoldError('too-large', fault.detail, { remedy: 'Send a smaller value.' })
  }
  return new LogfoldError('invalid-value', fault.detail, { remedy: 'Send a value of the format that GET /api names.' })
}

/** @throws invalid-id */
export function checkedId(id: string): string {
  const fault = idStringFault(id)
  if (fault !== undefined) throw faultError(fault)
  return id
}
