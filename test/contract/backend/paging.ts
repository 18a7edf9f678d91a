import assert from 'node:assert/strict'
import type { Entry, Found, ListOptions, ScanOptions, ViewAdmin, ViewReader } from '../../../src/model/view-backend.ts'

interface Given<T> {
  readonly items: readonly T[]
  readonly cursor: string | undefined
}

async function* paged<T>(limit: number, ask: (cursor: string | undefined) => Promise<Given<T>>): AsyncGenerator<readonly T[]> {
  let cursor: string | undefined
  do {
    const page = await ask(cursor)
    assert.ok(page.items.length <= limit, `a page of ${page.items.length}, although ${limit} were asked for`)
    assert.notEqual(page.cursor, cursor ?? '', 'the cursor must move')
    yield page.items
    cursor = page.cursor
  } while (cursor !== undefined)
}

/** All pages of a list. */
export const pagesOf = (reader: ViewReader, options: Omit<ListOptions, 'cursor'>): AsyncGenerator<readonly Entry[]> =>
  paged(options.limit, async cursor => {
    const page = await reader.list({ ...options, cursor })
    return { items: page.entries, cursor: page.cursor }
  })

export async function* entriesOf(reader: ViewReader, options: Omit<ListOptions, 'cursor'>): AsyncGenerator<Entry> {
  for await (const page of pagesOf(reader, options)) yield* page
}

/** All pages of a scan of one shard. */
export const scanPagesOf = (admin: ViewAdmin, shard: string, options: Omit<ScanOptions, 'cursor'>): AsyncGenerator<readonly Found[]> =>
  paged(options.limit, async cursor => {
    const page = await admin.scan(shard, { ...options, cursor })
    return { items: page.found, cursor: page.cursor }
  })

export async function* foundOf(admin: ViewAdmin, shard: string, options: Omit<ScanOptions, 'cursor'>): AsyncGenerator<Found> {
  for await (const page of scanPagesOf(admin, shard, options)) yield* page
}
