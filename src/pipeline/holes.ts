import type { Offset } from '../model/record.ts'

/**
 * What a store may vouch for behind holes. Compaction removes a record only when a later one of its key exists, at an offset below the end offset as of
 * then. So a fold that stopped at `position` behind a hole that starts at `start` may lack the successor of what was removed, until it has reached
 * the end offset that came with the fetch that met the hole: up to there it vouches for `start` alone.
 *
 * The successor may be removed, too, before the fold gets to it; then it lies in another hole, below that end offset. So a hole that is met while one is open
 * keeps that one open until its own end offset is reached, and there is never more than one. It closes once the fold is through what
 * was compacted, as nothing is removed from the newest records for a while.
 */
export type Holes = readonly Hole[]

export interface Hole {
  readonly start: Offset
  /** Closed once the position reaches this. `Infinity` until a fetch tells the end offset (after a restart). */
  readonly until: Offset
}

/** As a checkpoint remembers it: only what it vouches for, so the end offset of the next fetch has to be reached. */
export const holesAt = (checkpoint: { readonly position: Offset; readonly vouched: Offset }): Holes =>
  checkpoint.vouched < checkpoint.position ? [{ start: checkpoint.vouched, until: Number.POSITIVE_INFINITY }] : []

export const vouchedAt = (holes: Holes, position: Offset): Offset => holes[0]?.start ?? position

/** The holes after reading on to `position`, given the end offset of that fetch and the first hole in what was read. */
export function readOn(holes: Holes, position: Offset, endOffset: Offset, hole: Offset | undefined): Holes {
  const met = hole !== undefined && hole < position ? hole : undefined
  const open = holes.map(({ start, until }) => {
    const known = until === Number.POSITIVE_INFINITY ? endOffset : until
    return { start, until: met !== undefined && met < known ? endOffset : known }
  })
  const left = open.filter(({ until }) => position < until)
  return left.length > 0 || met === undefined || position >= endOffset ? left : [{ start: met, until: endOffset }]
}

/** The holes of two readings that meet at one position: the lower start, and the higher end, hold for both. */
export const meet = (a: Holes, b: Holes): Holes => {
  const all = [...a, ...b]
  if (all.length === 0) return []
  return [{ start: Math.min(...all.map(hole => hole.start)), until: Math.max(...all.map(hole => hole.until)) }]
}
