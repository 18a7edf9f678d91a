import { LogfoldError } from '../../src/model/errors.ts'

/** Where a page ended: its last id. */
export const cursorOf = (id: string): string => Buffer.from(id).toString('base64url')

/** @throws cursor-expired for what no page of ours ended with */
export function idOf(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (id === '' || cursorOf(id) !== cursor) throw new LogfoldError('cursor-expired', 'The cursor was not made by this list')
  return id
}
