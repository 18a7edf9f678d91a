import type { ShardStats, ViewAdmin } from '../model/view-backend.ts'

const PAGE_ENTRIES = 500
/** Of a shard. With large values, or a slow store, fewer ids do. */
const BYTES_MAX = 16 * 1024 * 1024
const SAMPLING_MS = 3_000

/** What is known of one shard of what serves. */
export interface SampledShard {
  readonly shard: string
  /** Undefined where the store doesn't answer. */
  readonly stats: ShardStats | undefined
  readonly ids: readonly string[]
  /** Of id and value of those, on average; undefined where there are none. */
  readonly bytesEach: number | undefined
}

/**
 * Some ids of a shard, from where its scan begins. A scan goes by the store's own order, and no store has one that goes with what owns an id, which
 * is a hash; sizes may go with it, so they are an estimate only.
 * @throws what the store says
 */
export async function sampled(shard: string, admin: ViewAdmin, idsMax: number, signal: AbortSignal): Promise<Omit<SampledShard, 'stats'>> {
  const ids = new Set<string>()
  const endMs = performance.now() + SAMPLING_MS
  let bytes = 0
  let cursor: string | undefined
  do {
    const page = await admin.scan(shard, { cursor, limit: PAGE_ENTRIES })
    for (const { id, value } of page.found) {
      if (value === undefined || ids.has(id)) continue
      ids.add(id)
      bytes += Buffer.byteLength(id) + value.length
    }
    cursor = page.cursor
  } while (cursor !== undefined && ids.size < idsMax && bytes < BYTES_MAX && performance.now() < endMs && !signal.aborted)
  return { shard, ids: [...ids], bytesEach: ids.size === 0 ? undefined : bytes / ids.size }
}

/** Bytes of the copy, by an entry of it: what the store says, or else as the sample has it. */
export function bytesAnEntry(shards: readonly SampledShard[]): number | undefined {
  let entries = 0
  let bytes = 0
  for (const { stats, bytesEach } of shards) {
    if (stats === undefined || stats.entries === 0) continue
    const told = stats.bytes ?? (bytesEach === undefined ? undefined : bytesEach * stats.entries)
    if (told === undefined) continue
    entries += stats.entries
    bytes += told
  }
  return entries === 0 ? undefined : bytes / entries
}

export interface Spread {
  /** Shard of the target → how many entries it would have. */
  readonly entries: ReadonlyMap<string, number>
  /** Entries that would stand on a shard of another name. */
  readonly moved: number
  readonly total: number
}

/**
 * Where the entries would stand: each sampled id for as many as its shard has of them. Undefined where not every shard with entries has been sampled.
 */
export function spreadOf(shards: readonly SampledShard[], target: readonly string[], owner: (id: string) => string): Spread | undefined {
  const entries = new Map(target.map(shard => [shard, 0]))
  let moved = 0
  let total = 0
  for (const { shard, stats, ids } of shards) {
    if (stats === undefined || (ids.length === 0 && stats.entries > 0)) return undefined
    for (const id of ids) {
      const stands = stats.entries / ids.length
      const now = owner(id)
      entries.set(now, (entries.get(now) ?? 0) + stands)
      if (now !== shard) moved += stands
      total += stands
    }
  }
  return { entries, moved, total }
}
