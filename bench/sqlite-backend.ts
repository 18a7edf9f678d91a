import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sqlite from '../backends/sqlite/index.ts'
import type { ViewBackend, ViewOp } from '../src/model/view-backend.ts'
import { quiet } from './support/quiet.ts'
import { median, perSecond } from './support/rounds.ts'
import { generationOf, getEach, listAll, type SetOp, setOpAt } from './support/store.ts'

/**
 * How fast the SQLite backend takes batches, and gives a list of all: `node bench/sqlite-backend.ts`.
 * Each of three rounds is on a new file, with the ids in no order; medians are printed.
 */

const IDS = 500_000
const ID_AND_VALUE_BYTES = 240
const ROUNDS = 3
const GETS = 20_000
const generation = generationOf(1, false)

async function applyAll(backend: ViewBackend, ops: readonly ViewOp[], from: number, batchOps: number): Promise<number> {
  const writer = backend.writer(generation)
  const started = performance.now()
  for (let at = 0; at < ops.length; at += batchOps) {
    const batch = ops.slice(at, at + batchOps)
    const position = from + at + batch.length
    const checkpoint = { position, vouched: position, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }
    const outcome = await writer.apply('main', { partition: 0, from: from + at, checkpoint, ops: batch })
    if (outcome.kind !== 'applied') throw new Error(`The batch at ${at} was not applied`, { cause: outcome })
  }
  return perSecond(ops.length, started)
}

async function round(ops: readonly SetOp[], batchOps: number): Promise<Record<string, number>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
  const backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'bench', dataDir, logger: quiet })
  try {
    await backend.admin(generation).open('main')
    const inserts = await applyAll(backend, ops, 0, batchOps)
    const updates = await applyAll(backend, ops, ops.length, batchOps)
    await backend.admin(generation).markFilled('main', [])
    const list = await listAll(backend, generation, IDS)
    const gets = await getEach(backend, generation, ops.slice(0, GETS), 1)
    return { 'new ids': inserts, 'known ids': updates, 'list of all': list, 'get, one after another': gets }
  } finally {
    await backend.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

const ops = Array.from({ length: IDS }, (_, offset) => setOpAt(offset, IDS))
process.stdout.write(`${IDS} ids, ${ID_AND_VALUE_BYTES} bytes each, medians of ${ROUNDS} rounds, in ops or entries per second\n`)
for (const batchOps of [1_000, 5_000]) {
  const rounds: Record<string, number>[] = []
  for (let number = 0; number < ROUNDS; number++) rounds.push(await round(ops, batchOps))
  for (const name of Object.keys(rounds[0] ?? {})) {
    const value = Math.round(median(rounds.map(each => each[name] ?? 0)))
    process.stdout.write(`batches of ${batchOps}, ${name}: ${value.toLocaleString('en')}\n`)
  }
}
