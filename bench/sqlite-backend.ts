import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sqlite from '../backends/sqlite/index.ts'
import type { ViewBackend } from '../src/model/view-backend.ts'
import { quiet } from '../test/support/quiet.ts'
import { RECORDS } from './support/jobs.ts'
import { type Figures, perSecond, printMedians } from './support/rounds.ts'
import { applyInBatches, generationOf, getEach, listAll, type SetOp, setOpAt } from './support/store.ts'

/** How fast the SQLite backend takes batches, and gives a list of all: `npm run bench -- sqlite-backend`. Each round is on new files. */

const ROUNDS = 3
const BATCH_OPS = [1_000, 5_000]
const GETS = 20_000
const generation = generationOf(1, false)

async function applyAll(backend: ViewBackend, ops: readonly SetOp[], from: number, batchOps: number): Promise<number> {
  const started = performance.now()
  await applyInBatches(backend.writer(generation), ops, { partition: 0, from }, batchOps)
  return perSecond(ops.length, started)
}

async function onNewFile(ops: readonly SetOp[], batchOps: number): Promise<Figures> {
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
  const backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'bench', dataDir, logger: quiet, shards: ['main'] })
  const admin = backend.admin(generation)
  try {
    await admin.open('main')
    const inserts = await applyAll(backend, ops, 0, batchOps)
    const updates = await applyAll(backend, ops, ops.length, batchOps)
    await admin.markFilled('main', await admin.opening('main'), [])
    const of = `batches of ${batchOps}`
    return {
      [`${of}, new ids`]: inserts,
      [`${of}, known ids`]: updates,
      [`${of}, list of all`]: await listAll(backend, generation),
      [`${of}, get, one after another`]: await getEach(backend, generation, ops.slice(0, GETS), 1),
    }
  } finally {
    await backend.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

export async function bench(): Promise<void> {
  const ops = Array.from({ length: RECORDS }, (_, offset) => setOpAt(offset))
  await printMedians(`${RECORDS} ids of 240 bytes, a second`, ROUNDS, async () => {
    let figures: Figures = {}
    for (const batchOps of BATCH_OPS) figures = { ...figures, ...(await onNewFile(ops, batchOps)) }
    return figures
  })
}
