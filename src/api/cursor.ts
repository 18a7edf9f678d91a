import { invalidParameter } from '../http/query.ts'
import { LogfoldError } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'

/** What a client gets to go on with: the store's own cursor, and whose it is. */
export const encodeCursor = (generation: Generation, cursor: string): string =>
  Buffer.from(JSON.stringify([generation.uid, cursor])).toString('base64url')

/**
 * The store's own cursor. An ordered list goes on in any generation, as its cursor is a place among the keys;
 * else it belongs to the one it came from.
 * @throws invalid-parameter, cursor-expired
 */
export function decodeCursor(generation: Generation, encoded: string): string {
  const [uid, cursor] = parse(encoded)
  if (typeof uid !== 'string' || typeof cursor !== 'string') {
    throw invalidParameter('cursor', 'It is none that was given out', 'Send back `next` as it was.')
  }
  if (uid === generation.uid || generation.ordered) return cursor
  throw new LogfoldError('cursor-expired', 'Another generation serves than the one the cursor belongs to', {
    remedy: 'Begin the list again, without cursor.',
  })
}

function parse(encoded: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'))
    return Array.isArray(parsed) ? parsed : []
  } catch {
    return []
  }
}
