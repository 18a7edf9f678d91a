import { workerData } from 'node:worker_threads'
import type { Difference, DifferenceKind } from '../model/verify-status.ts'
import type { Checkpoint } from '../model/view-backend.ts'
import { transaction } from '../sqlite/open.ts'
import { serve } from '../sqlite/thread-host.ts'
import { DIGEST_BYTES, type Expected } from './difference.ts'
import { openScratch, removeScratch, type ScratchFile } from './scratch-file.ts'
import { DELETED, FAULTY, type FoldedRecords, type Outcome, type ScannedPage, type State, type Suspect } from './scratch-words.ts'

/** The thread that owns the scratch, so that its writes never hold up the event loop. Each function is one transaction. */

const path = String(workerData)
let opened: ScratchFile | undefined
let prepared = new Map<string, ReturnType<ScratchFile['prepare']>>()

function db(): ScratchFile {
  opened ??= openScratch(path)
  return opened
}

function sql(text: string): ReturnType<ScratchFile['prepare']> {
  const known = prepared.get(text)
  if (known !== undefined) return known
  const made = db().prepare(text)
  prepared.set(text, made)
  return made
}

const write = <T>(work: () => T): T => transaction(db(), 'immediate', work)

const count = (text: string): number => Number(sql(text).get()?.count ?? 0)

function keep(state: State): void {
  sql('INSERT OR REPLACE INTO state VALUES (1, ?)').run(JSON.stringify(state))
}

function close(): void {
  prepared = new Map()
  opened?.close()
  opened = undefined
}

const functions = {
  /** What the file was left with; undefined where it is new. */
  open(): { readonly state: State | undefined; readonly folded: readonly (readonly [number, Checkpoint])[] } {
    const document = sql('SELECT document FROM state').get()?.document
    const rows = sql('SELECT partition, position, vouched, leader_epoch, tombstones_removed_to, at_end_ms FROM folded').all()
    return {
      state: document === undefined ? undefined : (JSON.parse(String(document)) as State),
      folded: rows.map(row => [Number(row.partition), checkpointOf(row)]),
    }
  },

  begin(state: State): void {
    close()
    removeScratch(path)
    write(() => keep(state))
  },

  keep: (state: State): void => write(() => keep(state)),

  fold: (partition: number, checkpoint: Checkpoint, records: FoldedRecords): void => write(() => fold(partition, checkpoint, records)),

  scanOf(shard: string): { readonly cursor: string | undefined; readonly ended: boolean } {
    const row = sql('SELECT cursor, ended FROM scans WHERE shard = ?').get(shard)
    return { cursor: typeof row?.cursor === 'string' ? row.cursor : undefined, ended: row?.ended === 1 }
  },

  /** A page of a shard's scan, and where it goes on; undefined: that was all. */
  scanned: (shard: string, page: ScannedPage, cursor: string | undefined): void => write(() => scanned(shard, page, cursor)),

  scanAgain: (shard: string): void =>
    write(() => {
      sql('DELETE FROM scans WHERE shard = ?').run(shard)
    }),

  /**
   * Ids from a number on that the scans say nothing good of: expected and not seen, unresolved, or in two partitions. `next` is undefined at the end.
   */
  unseen(from: number, limit: number): { readonly ids: readonly string[]; readonly next: number | undefined } {
    const last = sql('SELECT max(number) AS last FROM entries').get()?.last
    const rows = sql(
      `SELECT id FROM entries WHERE number >= ? AND number < ?
         AND ((seen = 0 AND digest IS NOT NULL) OR faulty_offset > log_offset OR in_two_partitions = 1)`,
    ).all(from, from + limit)
    return { ids: rows.map(row => String(row.id)), next: from + limit > Number(last ?? 0) ? undefined : from + limit }
  },

  suspect: (state: State, suspects: readonly (readonly [shard: string, id: string])[]): void =>
    write(() => {
      for (const [shard, id] of suspects) suspect(shard, id)
      keep(state)
    }),

  expectedCount: (): number => count('SELECT count(*) AS count FROM entries WHERE digest IS NOT NULL'),
  foundCount: (): number => count('SELECT sum(found) AS count FROM scans'),
  suspectCount: (): number => count('SELECT count(*) AS count FROM suspects'),

  suspects(shard: string, after: string | undefined, limit: number): readonly Suspect[] {
    const rows =
      after === undefined
        ? sql('SELECT id, tries, mended FROM suspects WHERE shard = ? ORDER BY id LIMIT ?').all(shard, limit)
        : sql('SELECT id, tries, mended FROM suspects WHERE shard = ? AND id > ? ORDER BY id LIMIT ?').all(shard, after, limit)
    return rows.map(row => ({
      id: String(row.id),
      tries: Number(row.tries),
      mended: row.mended === null ? undefined : (row.mended as Suspect['mended']),
    }))
  },

  /** What the log says of these ids. */
  expected: (ids: readonly string[]): readonly (Expected | undefined)[] => ids.map(expected),

  settle: (shard: string, outcomes: readonly Outcome[]): void =>
    write(() => {
      for (const outcome of outcomes) settle(shard, outcome)
    }),

  /** Differences of these kinds that no repair was written for become suspects again. */
  suspectAgain: (kinds: readonly DifferenceKind[]): void =>
    write(() => {
      for (const kind of kinds) {
        sql('INSERT OR IGNORE INTO suspects (shard, id) SELECT shard, id FROM differences WHERE kind = ? AND repaired = 0').run(kind)
        sql('DELETE FROM differences WHERE kind = ? AND repaired = 0').run(kind)
      }
    }),

  /** How many of each kind, and the first of them. */
  differences(kinds: readonly DifferenceKind[], limit: number) {
    return kinds.map(kind => {
      const row = sql('SELECT count(*) AS count, sum(repaired) AS repaired FROM differences WHERE kind = ?').get(kind)
      const first = sql('SELECT kind, shard, id, place, repaired FROM differences WHERE kind = ? ORDER BY number LIMIT ?').all(kind, limit)
      return { kind, count: Number(row?.count), repaired: Number(row?.repaired ?? 0), first: first.map(differenceOf) }
    })
  },

  close,
}

export type ScratchFunctions = typeof functions

function fold(partition: number, checkpoint: Checkpoint, { ids, offsets, kinds, digests }: FoldedRecords): void {
  const upsert = `INSERT INTO entries (id, partition, log_offset, faulty_offset, digest) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    in_two_partitions = in_two_partitions OR partition <> excluded.partition, partition = excluded.partition`
  const put = sql(`${upsert}, log_offset = excluded.log_offset, digest = excluded.digest`)
  const putFaulty = sql(`${upsert}, faulty_offset = excluded.faulty_offset`)
  for (const [nth, id] of ids.entries()) {
    const offset = offsets[nth] ?? 0
    if (kinds[nth] === FAULTY) putFaulty.run(id, partition, -1, offset, null)
    else put.run(id, partition, offset, -1, kinds[nth] === DELETED ? null : digests.subarray(nth * DIGEST_BYTES, (nth + 1) * DIGEST_BYTES))
  }
  const { position, vouched, leaderEpoch, tombstonesRemovedTo, atEndMs } = checkpoint
  sql('INSERT OR REPLACE INTO folded VALUES (?, ?, ?, ?, ?, ?)').run(partition, position, vouched, leaderEpoch, tombstonesRemovedTo, atEndMs)
}

function scanned(shard: string, { ids, whole, digests }: ScannedPage, cursor: string | undefined): void {
  const seen = sql('UPDATE entries SET seen = 1 WHERE id = ? AND digest = ?')
  for (const [nth, id] of ids.entries()) {
    const agrees = whole[nth] === 1 && seen.run(id, digests.subarray(nth * DIGEST_BYTES, (nth + 1) * DIGEST_BYTES)).changes === 1
    if (!agrees) suspect(shard, id)
  }
  sql(
    `INSERT INTO scans VALUES (?, ?, ?, ?) ON CONFLICT (shard) DO UPDATE SET cursor = excluded.cursor, found = found + excluded.found, ended = excluded.ended`,
  ).run(shard, cursor ?? null, ids.length, cursor === undefined ? 1 : 0)
}

function suspect(shard: string, id: string): void {
  sql('INSERT OR IGNORE INTO suspects (shard, id) VALUES (?, ?)').run(shard, id)
}

function settle(shard: string, { id, again, mended, difference }: Outcome): void {
  if (again) sql('UPDATE suspects SET tries = tries + 1, mended = coalesce(?, mended) WHERE shard = ? AND id = ?').run(mended ?? null, shard, id)
  else sql('DELETE FROM suspects WHERE shard = ? AND id = ?').run(shard, id)
  if (difference === undefined) return
  const { kind, place, repaired } = difference
  sql('INSERT OR REPLACE INTO differences (kind, shard, id, place, repaired) VALUES (?, ?, ?, ?, ?)').run(
    kind,
    shard,
    id,
    place ?? null,
    repaired ? 1 : 0,
  )
}

type Columns = Readonly<Record<string, unknown>>

function expected(id: string): Expected | undefined {
  const row = sql('SELECT partition, log_offset, faulty_offset, in_two_partitions, digest FROM entries WHERE id = ?').get(id)
  if (row === undefined) return undefined
  return {
    partition: Number(row.partition),
    offset: Number(row.log_offset),
    faultyOffset: Number(row.faulty_offset),
    inTwoPartitions: row.in_two_partitions === 1,
    digest: row.digest instanceof Uint8Array ? row.digest : undefined,
  }
}

const checkpointOf = (row: Columns): Checkpoint => ({
  position: Number(row.position),
  vouched: Number(row.vouched),
  leaderEpoch: Number(row.leader_epoch),
  tombstonesRemovedTo: Number(row.tombstones_removed_to),
  atEndMs: Number(row.at_end_ms),
})

const differenceOf = (row: Columns): Difference => ({
  kind: row.kind as DifferenceKind,
  shard: String(row.shard),
  id: String(row.id),
  place: row.place === null ? undefined : String(row.place),
  repaired: row.repaired === 1,
})

serve(functions)
