import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { workerData } from 'node:worker_threads'
import { failPoint } from '../../src/model/fail-point.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import type { Batch, Capacity, CommandPlace, ShardCheckpoints, ShardOutcome } from '../../src/model/view-backend.ts'
import { transaction } from '../../src/sqlite/open.ts'
import { serve as serveCalls } from '../../src/sqlite/thread-host.ts'
import { dropStep, markFilled, open, serve } from './admin.ts'
import { readCheckpoint, readCheckpoints, writeCheckpoint } from './checkpoint.ts'
import { SqliteFile } from './file.ts'
import { type Packed, unpackOps } from './packing.ts'
import { standingOf } from './standing.ts'
import { tablesOf, valueParameter } from './tables.ts'

const CACHE_BYTES = 32 * 1024 * 1024

const path = String(workerData)
const file = new SqliteFile(path, { cacheBytes: CACHE_BYTES, role: 'writer' })

/** A batch on its way to the thread: its ops are packed. */
interface PackedBatch extends Omit<Batch, 'ops'> {
  readonly ops: Packed
}

const write = <T>(work: (db: DatabaseSync) => T): T => file.use(db => transaction(db, 'immediate', () => work(db)))

const functions = {
  /** In one transaction. @throws store-refused, view-unavailable; then nothing was done */
  apply: (batches: readonly { readonly generation: Generation; readonly batch: PackedBatch }[]): readonly ShardOutcome[] => {
    const outcomes = write(() => batches.map(({ generation, batch }) => apply(generation, batch)))
    failPoint('sqlite/committed')
    return outcomes
  },

  checkpoints: (generation: Generation): ShardCheckpoints =>
    file.use(db =>
      transaction(db, 'deferred', (): ShardCheckpoints => {
        const standing = standingOf(file, generation)
        if (standing.kind !== 'open') return standing
        const checkpoints = readCheckpoints(file, generation)
        return checkpoints === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints }
      }),
    ),

  open: (generation: Generation, anew: boolean) => write(db => open(file, db, generation, anew)),
  markFilled: (generation: Generation, opening: string, endOffsets: readonly Offset[]) =>
    write(() => markFilled(file, generation, opening, endOffsets)),
  serve: (generation: Generation, since: CommandPlace) => write(db => serve(file, db, generation, since)),
  dropStep: (generation: Generation): boolean => {
    const isOver = write(db => dropStep(file, db, generation))
    failPoint('sqlite/drop-step')
    return isOver
  },
  ping: () => file.use(() => file.prepare('SELECT count(*) FROM sqlite_schema').get()),
  capacity: (): Capacity => file.use(() => diskOf(dirname(path))),
  close: () => file.close(),
}

export type WriterFunctions = typeof functions

/** Of the disk that a folder is on. What is kept for the administrator counts neither as used nor as free, as in `df`. */
function diskOf(folder: string): Capacity {
  const { bsize, blocks, bfree, bavail } = statfsSync(folder)
  const used = blocks - bfree
  return { of: 'disk', usedBytes: used * bsize, limitBytes: (used + bavail) * bsize }
}

function apply(generation: Generation, batch: PackedBatch): ShardOutcome {
  const standing = standingOf(file, generation)
  if (standing.kind === 'foreign') return standing
  const checkpoint = standing.kind === 'open' ? readCheckpoint(file, generation, batch.partition) : undefined
  if (checkpoint === undefined) return { kind: 'lost' }
  if (checkpoint.position !== batch.from || checkpoint.vouched !== batch.vouched) return { kind: 'elsewhere', checkpoint }
  writeOps(generation, batch)
  writeCheckpoint(file, generation, batch.partition, batch.checkpoint)
  failPoint('sqlite/written')
  return { kind: 'applied' }
}

function writeOps(generation: Generation, { partition, ops }: PackedBatch): void {
  const { entries } = tablesOf(generation)
  const set = file.prepare(
    `INSERT INTO ${entries} (key, value, log_partition, log_offset, log_time)
     VALUES (CAST(? AS TEXT), ${valueParameter(generation.format)}, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, log_partition = excluded.log_partition,
       log_offset = excluded.log_offset, log_time = excluded.log_time`,
  )
  const del = file.prepare(`DELETE FROM ${entries} WHERE key = CAST(? AS TEXT)`)
  for (const { id, value, offset, timestampMs } of unpackOps(ops)) {
    if (value === undefined) del.run(id)
    else set.run(id, value, partition, offset, timestampMs)
  }
}

serveCalls(functions)
