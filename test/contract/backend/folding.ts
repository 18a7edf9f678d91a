import assert from 'node:assert/strict'
import type { Generation } from '../../../src/model/generation.ts'
import { limits } from '../../../src/model/limits.ts'
import type { Offset, Slice } from '../../../src/model/record.ts'
import type { Batch, Checkpoint, CommandPlace, ViewAdmin, ViewOp } from '../../../src/model/view-backend.ts'
import { entriesOf } from './paging.ts'
import type { Store } from './store.ts'

export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
export const textOf = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

/** A slice in the middle of a larger buffer, as fetched records are. */
function sliceOf(value: string | Uint8Array): Slice {
  const bytes = typeof value === 'string' ? bytesOf(value) : value
  const buffer = new Uint8Array(bytes.length + 5).fill(0x21)
  buffer.set(bytes, 2)
  return { buffer, start: 2, end: 2 + bytes.length }
}

export const set = (id: string, value: string | Uint8Array, offset = 0): ViewOp => ({
  kind: 'set',
  id,
  value: sliceOf(value),
  offset,
  timestampMs: 1_700_000_000_000 + offset,
})

export const del = (id: string, offset = 0): ViewOp => ({ kind: 'del', id, offset })

/** A checkpoint that vouches for all below it. */
export const at = (position: number): Checkpoint => ({
  position,
  vouched: position,
  tombstonesRemovedTo: 2,
  leaderEpoch: 4,
  atEndMs: 1_700_000_000_123,
})

export const batch = (partition: number, from: number, to: number, ops: readonly ViewOp[] = []): Batch => ({
  partition,
  from,
  vouched: from,
  checkpoint: at(to),
  ops,
})

/** Opens a generation on every shard. */
export async function openAll(store: Store, generation: Generation): Promise<void> {
  const admin = store.backend.admin(generation)
  for (const shard of store.shards) assert.equal(await admin.open(shard), 'opened')
}

/** For the shard's present opening. */
export const markFilled = async (admin: ViewAdmin, shard: string, endOffsets: readonly Offset[] = []): Promise<boolean> =>
  await admin.markFilled(shard, await admin.opening(shard), endOffsets)

export async function fillAll(store: Store, generation: Generation): Promise<void> {
  const admin = store.backend.admin(generation)
  for (const shard of store.shards) await markFilled(admin, shard)
}

/** Drops a generation from every shard. */
export async function dropAll(store: Store, generation: Generation, signal?: AbortSignal): Promise<void> {
  for (const shard of store.shards) await store.backend.admin(generation).drop(shard, signal)
}

/** Where a command of the control topic stands. */
export const commandAt = (offset: Offset, topicId = 'control'): CommandPlace => ({ topicId, offset })

/** Has every shard show a generation, and answer that it does. */
export async function serveAll(store: Store, generation: Generation, since = commandAt(1)): Promise<void> {
  for (const shard of store.shards) assert.equal(await store.backend.admin(generation).serve(shard, since), 'shown')
}

/** Gives every shard a stretch of one partition: the ops it owns, or none. Each must take it. */
export async function fold(store: Store, generation: Generation, given: Batch): Promise<void> {
  const writer = store.backend.writer(generation)
  for (const shard of store.shards) {
    const ops = given.ops.filter(op => store.backend.owner(op.id) === shard)
    assert.deepEqual(await writer.apply(shard, { ...given, ops }), { kind: 'applied' })
  }
}

export type Entries = Readonly<Record<string, string>> | readonly (readonly [string, string | Uint8Array])[]

/** Opens a generation, folds these entries from partition 0, and marks it filled. */
export async function openWith(store: Store, generation: Generation, entries: Entries): Promise<void> {
  const pairs = isPairs(entries) ? entries : Object.entries(entries)
  const ops = pairs.map(([id, value], offset) => set(id, value, offset))
  await openAll(store, generation)
  await fold(store, generation, batch(0, 0, ops.length, ops))
  await fillAll(store, generation)
}

const isPairs = (entries: Entries): entries is readonly (readonly [string, string | Uint8Array])[] => Array.isArray(entries)

/** All entries, page by page, as text, in the order they came. */
export async function listAll(
  store: Store,
  generation: Generation,
  options: { readonly limit?: number; readonly prefix?: string } = {},
): Promise<readonly (readonly [string, string])[]> {
  const { limit = 100, prefix } = options
  const entries = entriesOf(store.backend.reader(generation), { limit, prefix })
  return await Array.fromAsync(entries, ({ id, value }) => [id, textOf(value) ?? ''] as const)
}

/** The same, as a map: for what is there, not for its order. Fails on an id that comes twice in an ordered generation. */
export async function contentsOf(store: Store, generation: Generation): Promise<ReadonlyMap<string, string>> {
  const all = await listAll(store, generation, { limit: limits.pageEntriesMax })
  const contents = new Map(all)
  if (generation.ordered) assert.equal(contents.size, all.length, 'an id came twice')
  return contents
}

export const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** That an operation throws an error with this code, in words a test report shows. */
export async function assertThrows(code: string, what: string, operation: () => Promise<unknown>): Promise<void> {
  let outcome: unknown
  try {
    outcome = await operation()
  } catch (error) {
    const found: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
    assert.equal(found, code, `${what} must throw ${code}, and threw ${String(error)}`)
    return
  }
  assert.fail(`${what} must throw ${code}, and answered ${JSON.stringify(outcome)}`)
}
