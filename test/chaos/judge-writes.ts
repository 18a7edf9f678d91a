import { type History, lastAt, TOMBSTONE } from './history.ts'
import type { Ledger, Write } from './ledger.ts'

export interface WritesJudged {
  readonly acknowledged: number
  readonly unknown: number
  readonly unknownThere: number
  readonly refused: number
  /** Acknowledged ones that compaction removed before the capture read them: a later record of their key is there. */
  readonly superseded: number
  readonly violations: readonly string[]
}

interface Found {
  readonly partition: number
  readonly offset: number
}

/** Every acknowledged write is in the log, once, at its place, with its bytes; unknown ones once at most; refused ones aren't. */
export function judgeWrites(ledger: Ledger, history: History): WritesJudged {
  const violations: string[] = []
  const found = foundBySeq(history, violations)
  const tally = { acknowledged: 0, unknown: 0, unknownThere: 0, refused: 0, superseded: 0 }
  const places = new Map<string, Write>()
  for (const write of ledger.writes) {
    tally[write.outcome]++
    if (write.outcome === 'unknown' && found.has(write.seq)) tally.unknownThere++
    const { place } = write
    if (place !== undefined) {
      const at = `${place.partition}:${place.offset}`
      const other = places.get(at)
      if (other !== undefined) violations.push(`Two writes were told ${at}: ${describe(other)} and ${describe(write)}`)
      places.set(at, write)
    }
    const verdict = faultOf(write, history, found.get(write.seq))
    if (verdict === 'superseded') tally.superseded++
    else if (verdict !== undefined) violations.push(`${verdict}: ${describe(write)}; records of the key: ${around(history, write)}`)
  }
  violations.push(...swapped(ledger, found), ...tooManyTombstones(ledger, history))
  return { ...tally, violations }
}

function foundBySeq(history: History, violations: string[]): ReadonlyMap<number, Found> {
  const found = new Map<number, Found>()
  for (const [key, { partition, offsets, seqs }] of history.byKey) {
    for (const [nth, seq] of seqs.entries()) {
      if (seq === TOMBSTONE) continue
      const offset = offsets[nth] ?? -1
      const first = found.get(seq)
      if (first !== undefined)
        violations.push(`Write ${seq} of ${key} is there twice, at ${first.partition}:${first.offset} and ${partition}:${offset}`)
      found.set(seq, { partition, offset })
    }
  }
  return found
}

function faultOf(write: Write, history: History, found: Found | undefined): string | undefined {
  switch (write.outcome) {
    case 'refused':
      return found === undefined ? undefined : `A write that was refused is at ${found.partition}:${found.offset}`
    case 'unknown':
      return undefined
    case 'acknowledged':
      return write.place === undefined ? faultOfPlaceless(write, history, found) : faultOfPlaced(write, history)
  }
}

function faultOfPlaced(write: Write, history: History): string | undefined {
  const { key, place, deletes, seq } = write
  const records = history.byKey.get(key)
  const nth = records === undefined || place === undefined || records.partition !== place.partition ? -1 : lastAt(records.offsets, place.offset)
  if (nth >= 0 && records?.offsets[nth] === place?.offset)
    return records?.seqs[nth] === (deletes ? TOMBSTONE : seq) ? undefined : 'LOST: another record of the key is at the place of an acknowledged write'
  if (place !== undefined && history.keyAt(place.partition, place.offset) !== undefined)
    return 'LOST: a record of another key is at the place of an acknowledged write'
  const isBehind = (records?.offsets.at(-1) ?? -1) > (place?.offset ?? -1)
  return isBehind && history.holes > 0 ? 'superseded' : 'LOST: an acknowledged write isn’t in the log'
}

/** By kcat, which isn't told where a record is. */
function faultOfPlaceless(write: Write, history: History, found: Found | undefined): string | undefined {
  if (found !== undefined || write.deletes) return undefined
  return history.holes > 0 ? 'superseded' : 'LOST: an acknowledged write isn’t in the log'
}

/** One writer's records of one partition, through one process, stand in the order in which they were sent; those of unknown outcome, too. */
function swapped(ledger: Ledger, found: ReadonlyMap<number, Found>): readonly string[] {
  const last = new Map<string, { readonly offset: number; readonly write: Write }>()
  const violations: string[] = []
  for (const write of ledger.writes) {
    const at = write.place ?? found.get(write.seq)
    if (at === undefined || write.pid === 0) continue
    const way = `${write.writer} ${write.pid} ${at.partition}`
    const before = last.get(way)
    if (before !== undefined && before.offset > at.offset) {
      violations.push(
        `A write stands before an earlier one: ${describe(write)} at ${at.partition}:${at.offset}, ${describe(before.write)} at ${before.offset}`,
      )
    }
    last.set(way, { offset: at.offset, write })
  }
  return violations
}

/** A tombstone carries no number: there are no more of a key than may be. */
function tooManyTombstones(ledger: Ledger, history: History): readonly string[] {
  const allowed = new Map<string, number>()
  for (const { key, deletes, outcome } of ledger.writes) {
    if (deletes && outcome !== 'refused') allowed.set(key, (allowed.get(key) ?? 0) + 1)
  }
  return [...history.byKey].flatMap(([key, { seqs }]) => {
    const count = seqs.filter(seq => seq === TOMBSTONE).length
    return count > (allowed.get(key) ?? 0) ? [`${key} has ${count} tombstones, and ${allowed.get(key) ?? 0} deletes that may be there`] : []
  })
}

const describe = (write: Write): string => JSON.stringify(write)

function around(history: History, { key, place }: Write): string {
  const { partition = -1, offsets = [], seqs = [] } = history.byKey.get(key) ?? {}
  const near = place === undefined ? offsets.length : offsets.findIndex(offset => offset >= place.offset)
  const from = Math.max(0, near - 3)
  return JSON.stringify(offsets.slice(from, from + 7).map((offset, nth) => `${partition}:${offset}=${seqs[from + nth]}`))
}
