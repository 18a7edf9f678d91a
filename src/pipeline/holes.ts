import type { Offset } from '../model/record.ts'

/**
 * What a store may vouch for behind holes. Compaction removes a record only when a later one of its key exists, at an offset below the end offset as
 * of then. So a fold that stopped at `position` behind a hole that starts at `start` may lack the successor of what was removed, until it has reached
 * the end offset that came with the fetch that met the hole: up to there it vouches for `start` alone.
 *
 * The successor may be removed, too, before the fold gets to it; then it lies in another hole, below that end offset. So a hole that is met while one
 * is open keeps that one open until its own end offset is reached, and there is never more than one. It closes once the fold is through what was
 * compacted, as nothing is removed from the newest records for a while.
 */
export interface Hole {
  readonly start: Offset
  /** Closed once the position reaches this. `Infinity` until a fetch tells the end offset (after a restart). */
  readonly until: Offset
}

/** As a checkpoint remembers it: only what it vouches for, so the end offset of the next fetch has to be reached. */
export const holeAt = (checkpoint: { readonly position: Offset; readonly vouched: Offset }): Hole | undefined =>
  checkpoint.vouched < checkpoint.position ? { start: checkpoint.vouched, until: Number.POSITIVE_INFINITY } : undefined

export const vouchedAt = (hole: Hole | undefined, position: Offset): Offset => hole?.start ?? position

/** The hole that is open after reading on to `position`, given the end offset of that fetch and the first hole in what was read. */
export function readOn(open: Hole | undefined, position: Offset, endOffset: Offset, first: Offset | undefined): Hole | undefined {
  const met = first !== undefined && first < position ? first : undefined
  if (open !== undefined) {
    const known = open.until === Number.POSITIVE_INFINITY ? endOffset : open.until
    const until = met !== undefined && met < known ? endOffset : known
    if (position < until) return { start: open.start, until }
  }
  return met === undefined || position >= endOffset ? undefined : { start: met, until: endOffset }
}

/** Of two readings that meet at one position: the lower start, and the higher end, hold for both. */
export const meet = (a: Hole | undefined, b: Hole | undefined): Hole | undefined =>
  a && b ? { start: Math.min(a.start, b.start), until: Math.max(a.until, b.until) } : (a ?? b)
