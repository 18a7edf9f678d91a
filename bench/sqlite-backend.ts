import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sqlite from '../backends/sqlite/index.ts'
import type { Logger } from '../src/model/logger.ts'
import type { Generation, ViewBackend, ViewOp } from '../src/model/view-backend.ts'

/**
 * How fast the SQLite backend takes batches, and gives a list of all: `node bench/sqlite-backend.ts`.
 * Each of three rounds is on a new file, with the ids in no order; medians are printed.
 */

const IDS = 500_000
const ID_AND_VALUE_BYTES = 240
const ROUNDS = 3
const PAGE_ENTRIES = 1_000
/** Steps through all ids without an order: coprime with their number. */
const STRIDE = 300_007

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }
const generation: Generation = {
  view: 'job',
  number: 1,
  partitions: 1,
  format: 'json',
  ordered: false,
  uid: 'bench',
  logId: 'bench',
  topicId: 'bench',
  definitionHash: 'bench',
}

function opAt(offset: number): ViewOp {
  const id = `job-${String((offset * STRIDE) % IDS).padStart(8, '0')}`
  const head = `{"id":"${id}","title":"`
  const value = Buffer.from(`${head.padEnd(ID_AND_VALUE_BYTES - id.length - 2, 'x')}"}`)
  return { kind: 'set', id, value: { buffer: value, start: 0, end: value.length }, offset, timestampMs: 1_700_000_000_000 + offset }
}

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

async function listAll(backend: ViewBackend): Promise<number> {
  const reader = backend.reader(generation)
  const started = performance.now()
  let entries = 0
  let cursor: string | undefined
  do {
    const page = await reader.list({ limit: PAGE_ENTRIES, ...(cursor === undefined ? {} : { cursor }) })
    entries += page.entries.length
    cursor = page.cursor
  } while (cursor !== undefined)
  if (entries !== IDS) throw new Error(`The list has ${entries} entries`)
  return perSecond(entries, started)
}

async function getAll(backend: ViewBackend, ops: readonly ViewOp[]): Promise<number> {
  const reader = backend.reader(generation)
  const some = ops.slice(0, 20_000)
  const started = performance.now()
  for (const { id } of some) await reader.get([id])
  return perSecond(some.length, started)
}

const perSecond = (count: number, startedMs: number): number => count / ((performance.now() - startedMs) / 1000)

async function round(ops: readonly ViewOp[], batchOps: number): Promise<Record<string, number>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
  const backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'bench', dataDir, logger: quiet })
  try {
    await backend.admin(generation).open('main')
    const inserts = await applyAll(backend, ops, 0, batchOps)
    const updates = await applyAll(backend, ops, ops.length, batchOps)
    await backend.admin(generation).markFilled('main', [])
    const list = await listAll(backend)
    const gets = await getAll(backend, ops)
    return { 'new ids': inserts, 'known ids': updates, 'list of all': list, 'get, one after another': gets }
  } finally {
    await backend.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const ops = Array.from({ length: IDS }, (_, offset) => opAt(offset))
process.stdout.write(`${IDS} ids, ${ID_AND_VALUE_BYTES} bytes each, medians of ${ROUNDS} rounds, in ops or entries per second\n`)
for (const batchOps of [1_000, 5_000]) {
  const rounds: Record<string, number>[] = []
  for (let number = 0; number < ROUNDS; number++) rounds.push(await round(ops, batchOps))
  for (const name of Object.keys(rounds[0] ?? {})) {
    const value = Math.round(median(rounds.map(each => each[name] ?? 0)))
    process.stdout.write(`batches of ${batchOps}, ${name}: ${value.toLocaleString('en')}\n`)
  }
}
