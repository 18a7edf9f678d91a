import { LogfoldError } from './errors.ts'
import { idFault } from './id.ts'

/** The cursor of a list in key order: the last id of its page, so it goes on in any generation. */
export const cursorOf = (id: string | Uint8Array): string => Buffer.from(id).toString('base64url')

/** @throws cursor-expired for what no page of ours ended with */
export function idOf(cursor: string): Buffer {
  const id = Buffer.from(cursor, 'base64url')
  if (idFault(id) === undefined && cursorOf(id) === cursor) return id
  throw cursorExpired('The cursor was not made by this list')
}

/**
 * As a list's, of a key that another program may have written: so it may be empty, which the sign before it keeps apart
 * from no cursor, and it needn't be an id.
 */
export const scanCursorOf = (key: string | Uint8Array): string => `>${cursorOf(key)}`

/** @throws cursor-expired for what no page of ours ended with */
export function scannedKeyOf(cursor: string): Buffer {
  const key = Buffer.from(cursor.slice(1), 'base64url')
  if (scanCursorOf(key) === cursor) return key
  throw cursorExpired('The cursor was not made by this scan')
}

export const cursorExpired = (detail: string): LogfoldError => new LogfoldError('cursor-expired', detail, { remedy: 'Begin anew, without cursor' })
