import { type History, type KeyHistory, lastAt, TOMBSTONE } from './history.ts'
import type { KeySpace } from './keys.ts'
import type { Ledger, ReadEntry } from './ledger.ts'

/** Clocks of processes of one machine, in milliseconds, may round otherwise. */
const CLOCK_MS = 50

export interface ReadsJudged {
  /** Entries and absences in answers. */
  readonly entries: number
  /** Of them, with a place in `Logfold-After` that counts for their partition. */
  readonly bounded: number
  readonly violations: readonly string[]
}

/**
 * Each answer is the state of its key at some position behind what `Logfold-After` named, and not of a record that wasn't written yet when it was answered.
 */
export function judgeReads(ledger: Ledger, history: History, keys: KeySpace): ReadsJudged {
  const violations: string[] = []
  let bounded = 0
  for (const read of ledger.reads) {
    if (read.after >= 0) bounded++
    const why = read.seq === -1 ? absent(read, history, keys) : present(read, history, ledger)
    if (why !== undefined) violations.push(`${why}: ${JSON.stringify(read)}; records of the key: ${around(read, history)}`)
  }
  return { entries: ledger.reads.length, bounded, violations }
}

function present({ key, seq, after, answeredMs }: ReadEntry, history: History, ledger: Ledger): string | undefined {
  const records = history.byKey.get(key)
  const nth = history.indexOf(seq)
  if (records === undefined || nth === undefined) {
    const isRemoved = history.holes > 0 && ledger.writes[seq]?.outcome !== 'refused'
    return isRemoved ? undefined : 'A value was read that isn’t in the log'
  }
  if ((records.timesMs[nth] ?? 0) > answeredMs + CLOCK_MS) return 'A value was read before it was written'
  const next = records.offsets[nth + 1]
  return next !== undefined && next <= after ? 'OLD: a read is older than its Logfold-After' : undefined
}

function absent({ key, after, answeredMs }: ReadEntry, history: History, keys: KeySpace): string | undefined {
  const records = history.byKey.get(key)
  if (records === undefined) return undefined
  const at = lastAt(records.offsets, after)
  if (at < 0 || records.seqs[at] === TOMBSTONE) return keys.isAlways(key) ? 'MISSING: a key that is always there wasn’t' : undefined
  for (let nth = at + 1; nth < records.offsets.length; nth++) {
    if ((records.timesMs[nth] ?? 0) > answeredMs + CLOCK_MS) break
    if (records.seqs[nth] === TOMBSTONE) return undefined
  }
  return after >= 0
    ? 'OLD or MISSING: an entry wasn’t there at any position behind Logfold-After'
    : 'MISSING: an entry was never deleted, and wasn’t there'
}

function around({ key, seq, after }: ReadEntry, history: History): string {
  const records: KeyHistory = history.byKey.get(key) ?? { partition: -1, offsets: [], seqs: [], timesMs: [] }
  const centre = seq === -1 ? lastAt(records.offsets, after) : (history.indexOf(seq) ?? -1)
  const from = Math.max(0, centre - 2)
  const shown = records.offsets.slice(from, from + 8).map((offset, nth) => `${offset}=${records.seqs[from + nth]}@${records.timesMs[from + nth]}`)
  return `partition ${records.partition}, ${shown.join(' ')}`
}
