import { hash } from 'node:crypto'

/** A strong ETag: equal bytes have equal tags, whoever stored them and whenever. */
export const etagOf = (bytes: Uint8Array): string => `"${hash('sha256', bytes, 'base64url').slice(0, 27)}"`

/** Whether `If-None-Match` names this tag. Compared weakly, as RFC 9110 (13.1.2) has it; `*` names anything that is there. */
export function matchesNone(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return [...header.matchAll(/"[^"]*"/g)].some(([tag]) => tag === etag)
}
