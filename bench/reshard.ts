import { parseArgs } from 'node:util'
import { report } from '../test/reshard/report.ts'
import { type Move, runReshard } from '../test/reshard/scenario.ts'

/**
 * Moves a view under load from outside, through two API processes, and judges every answer and every store: `npm run bench -- reshard [MOVE…] [--entries N] [--workers N] [--reads N] [--writes N] [--seconds N] [--unverified]`,
 * where a move is one of those below; all of them, one after another, where none is named. How long each build takes is held against a plain ingest of the same topic into the same
 * backend before, in this run.
 */
const MOVES: Readonly<Record<string, Move>> = {
  '3-4': { to: 'ring4', backAndForth: true },
  '4-3': { to: 'ring3' },
  apart: { to: 'apart4' },
  postgres: { to: 'pg' },
  sqlite: { to: 'file' },
  redis: { to: 'ring3' },
  projection: { to: 'ring3', shape: 'first' },
}

export async function bench(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      entries: { type: 'string', default: '500000' },
      workers: { type: 'string', default: '1' },
      reads: { type: 'string', default: '500' },
      writes: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '10' },
      unverified: { type: 'boolean', default: false },
    },
  })
  const names = positionals.length === 0 ? Object.keys(MOVES) : positionals
  const moves = names.map(name => MOVES[name] ?? fail(`There is no move ${name}; there are ${Object.keys(MOVES).join(', ')}`))
  const result = await runReshard({
    entries: Number(values.entries),
    rates: { readsPerSecond: Number(values.reads), writesPerSecond: Number(values.writes) },
    workers: Number(values.workers),
    from: 'ring3',
    shape: 'written',
    moves,
    cancelled: moves.at(-1)?.to === 'ring4' ? 'ring3' : 'ring4',
    seconds: Number(values.seconds),
    verified: !values.unverified,
    plain: true,
    heapMegabytes: 512,
    say: line => process.stdout.write(`${line}\n`),
  })
  process.stdout.write(report(result))
  if (result.violations.length > 0) process.exitCode = 1
}

function fail(why: string): never {
  throw new Error(why)
}
