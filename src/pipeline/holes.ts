import type { Offset } from '../model/record.ts'

/**
 * What a store may vouch for behind holes. Compaction removes a record only when a later one of its key exists, at an offset below the end offset as of
 * then. So a fold that stopped at `position` behind a hole that starts at `start` may lack the successor of what was removed, until it has reached
 * the end offset that came with the fetch that met the hole: up to there it vouches for `start` alone.
 *
 * Kept are the first hole that is still open, and all later ones joined into a second. One alone would never close while a fold runs through a
 * long compacted stretch, as each fetch brings a higher end offset; a list of all would grow without bound.
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
  const known = holes.map(({ start, until }) => ({ start, until: until === Number.POSITIVE_INFINITY ? endOffset : until }))
  const met = hole !== undefined && hole < position ? [{ start: hole, until: endOffset }] : []
  return joined([...known, ...met]).filter(({ until }) => position < until)
}

/** The holes of two readings that meet at one position: the lower start, and the higher end, hold for both. */
export const meet = (a: Holes, b: Holes): Holes => {
  const all = [...a, ...b]
  if (all.length === 0) return []
  return [{ start: Math.min(...all.map(hole => hole.start)), until: Math.max(...all.map(hole => hole.until)) }]
}

function joined(holes: Holes): Holes {
  const [first, second, ...rest] = holes
  if (first === undefined || second === undefined) return holes
  return [first, { start: second.start, until: Math.max(second.until, ...rest.map(hole => hole.until)) }]
}
