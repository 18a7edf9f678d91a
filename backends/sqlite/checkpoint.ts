import type { Generation } from '../../src/model/generation.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'
import type { SqliteFile } from './file.ts'
import { tablesOf } from './tables.ts'

const COLUMNS = 'position, vouched, tombstones_removed_to, leader_epoch, at_end_ms'

type CheckpointRow = unknown[] & readonly [position: number, vouched: number, tombstonesRemovedTo: number, leaderEpoch: number, atEndMs: number]

const checkpointOf = ([position, vouched, tombstonesRemovedTo, leaderEpoch, atEndMs]: CheckpointRow): Checkpoint => ({
  position,
  vouched,
  tombstonesRemovedTo,
  leaderEpoch,
  atEndMs,
})

/** Undefined where the file has none: it is lost, never 0. */
export function readCheckpoint(file: SqliteFile, generation: Generation, partition: number): Checkpoint | undefined {
  const { checkpoint } = tablesOf(generation)
  const row = file.prepare(`SELECT ${COLUMNS} FROM ${checkpoint} WHERE log_partition = ?`).get(partition) as CheckpointRow | undefined
  return row === undefined ? undefined : checkpointOf(row)
}

/** One a partition; undefined where one of them is missing. */
export function readCheckpoints(file: SqliteFile, generation: Generation): readonly Checkpoint[] | undefined {
  const { checkpoint } = tablesOf(generation)
  const rows = file
    .prepare(`SELECT ${COLUMNS} FROM ${checkpoint} WHERE log_partition BETWEEN 0 AND ? ORDER BY log_partition`)
    .all(generation.partitions - 1) as unknown as CheckpointRow[]
  return rows.length === generation.partitions ? rows.map(checkpointOf) : undefined
}

export function writeCheckpoint(file: SqliteFile, generation: Generation, partition: number, written: Checkpoint): void {
  const { checkpoint } = tablesOf(generation)
  file
    .prepare(`INSERT OR REPLACE INTO ${checkpoint} (log_partition, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`)
    .run(partition, written.position, written.vouched, written.tombstonesRemovedTo, written.leaderEpoch, written.atEndMs)
}
