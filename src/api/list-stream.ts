import type { ServerResponse } from 'node:http'
import { ClientGone } from '../http/failures.ts'
import { limits } from '../model/limits.ts'
import type { Entry, Page } from '../model/view-backend.ts'

const PAGE_ENTRIES_FIRST = 100
/** A page should hold about this much, whatever the size of its values. */
const PAGE_BYTES = 1_000_000

/** Writes, and waits where the client reads more slowly than the store gives. @throws ClientGone */
export async function write(response: ServerResponse, chunk: Uint8Array | string): Promise<void> {
  if (response.destroyed) throw new ClientGone()
  if (chunk.length === 0 || response.write(chunk)) return
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve).once('close', resolve)
  await promise
  response.off('drain', resolve).off('close', resolve)
  if (response.destroyed) throw new ClientGone()
}

/**
 * All pages of a list, one in memory at a time. How many entries a page has follows the size of the entries before, so that memory stays flat
 * for large values, and round trips few for small ones.
 */
export async function* pages(list: (limit: number, cursor: string | undefined) => Promise<Page>): AsyncGenerator<readonly Entry[]> {
  let limit = PAGE_ENTRIES_FIRST
  let cursor: string | undefined
  do {
    const page = await list(limit, cursor)
    yield page.entries
    limit = nextLimit(limit, page.entries)
    cursor = page.cursor
  } while (cursor !== undefined)
}

function nextLimit(limit: number, entries: readonly Entry[]): number {
  if (entries.length === 0) return limit
  const bytes = entries.reduce((sum, { value }) => sum + value.length, 0)
  const fitting = Math.floor((PAGE_BYTES * entries.length) / Math.max(bytes, 1))
  return Math.max(1, Math.min(fitting, limit * 4, limits.pageEntriesMax))
}
