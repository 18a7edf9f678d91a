import { hash } from 'node:crypto'
import { expect, it } from 'vitest'
import { Ring } from '../../backends/redis/ring.ts'
import { keysOf } from '../reshard/keys.ts'
import { report } from '../reshard/report.ts'
import { runReshard } from '../reshard/scenario.ts'
import { RINGS } from '../reshard/servers.ts'

const ENTRIES = 20_000
/** An answer to anybody comes at least so often, whatever switches. On a machine that does much else. */
const GAP_MS = 1_000

/** By Python's uhashring 2.5 (HashRing(nodes=[…], hash_fn='ketama')): SHA-256 of the names of the shards of all keys, in their order. */
const GOLDEN = {
  ring3: 'daa4e123afdcab11f67750a6d5e312ccd3b942e1b4e243b25442b9ba445bfda5',
  ring4: '299036dfbae59eca2f960086a7d23670da282eed98d6d90f0007f7388ab27763',
  apart4: '6d26719d4aa8e785e274ef73a1ddfc463736f776d6a395cfa6f20d3b37b6eeec',
}

it.each(Object.entries(GOLDEN))('the ring %s, by which placement is judged, is the one of another library', (name, golden) => {
  const ring = new Ring(Object.keys(RINGS[name] ?? {}))
  const owners = keysOf(ENTRIES).all.map(key => ring.owner(key))
  expect(hash('sha256', owners.join(''))).toBe(golden)
})

/** `npm run bench -- reshard` does the same with 500,000 entries, and measures. */
it('a view moves between rings that share servers and rings that do not, from Redis to Postgres, SQLite and back, and to another projection, under reads and writes: none fails, none is old, none is lost', {
  timeout: 600_000,
}, async () => {
  const result = await runReshard({
    entries: ENTRIES,
    rates: { readsPerSecond: 500, writesPerSecond: 200 },
    workers: 2,
    from: 'ring3',
    shape: 'first',
    moves: [
      { to: 'ring4', backAndForth: true },
      { to: 'ring3' },
      { to: 'apart4' },
      { to: 'pg' },
      { to: 'file' },
      { to: 'ring3' },
      { to: 'ring3', shape: 'second' },
    ],
    cancelled: 'ring4',
    seconds: 1,
    verified: true,
    plain: false,
    heapMegabytes: 320,
    say: () => undefined,
  })
  const said = report(result)
  expect(result.violations, said).toEqual([])
  expect(
    result.moves.map(({ switches }) => switches.map(({ verb }) => verb).join()),
    said,
  ).toEqual(['switch,reverse,switch', 'switch', 'switch', 'switch', 'switch', 'switch', 'switch'])
  for (const { switches } of result.moves) for (const { felt } of switches) expect(felt.gapMs, said).toBeLessThan(GAP_MS)
  expect(result.writes.acknowledged - ENTRIES, said).toBeGreaterThan(3_000)
  expect(result.reads.bounded, said).toBeGreaterThan(10_000)
})
