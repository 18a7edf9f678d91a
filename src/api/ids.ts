import { faultError } from '../http/problem.ts'
import { idStringFault } from '../model/id.ts'

/** @throws invalid-id */
export function checkedId(id: string): string {
  const fault = idStringFault(id)
  if (fault !== undefined) throw faultError(fault)
  return id
}
