import { isUtf8 } from 'node:buffer'
import type { Fault } from './fault.ts'
import { limits } from './limits.ts'

/** What keeps these key bytes from being an id: 1 to 512 bytes of UTF-8 without NUL. Undefined when nothing does. */
export function idFault(key: Uint8Array): Fault | undefined {
  if (key.length === 0) return { reason: 'key-empty', detail: 'The key is empty' }
  if (key.length > limits.idBytesMax) {
    return {
      reason: 'key-too-long',
      detail: `The key has ${key.length} bytes of UTF-8; at most ${limits.idBytesMax} are allowed`,
    }
  }
  if (!isUtf8(key)) return { reason: 'key-not-utf8', detail: 'The key is not valid UTF-8' }
  if (key.includes(0)) return { reason: 'key-nul', detail: 'The key contains a NUL character' }
  return undefined
}

/**
 * Whether these bytes from `start` to `end` are surely an id, and all ASCII, as nearly all are: then a look at each byte is
 * enough. False also where it doesn't know.
 */
export function isAsciiId(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end || end - start > limits.idBytesMax) return false
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte === 0 || byte >= 0x80) return false
  }
  return true
}

/** As `idFault`, for an id that is a string already. A lone surrogate has no UTF-8. */
export const idStringFault = (id: string): Fault | undefined =>
  id.isWellFormed() ? idFault(Buffer.from(id)) : { reason: 'key-not-utf8', detail: 'The id has a lone surrogate, which UTF-8 cannot write' }
