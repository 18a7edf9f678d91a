import { expect, it } from 'vitest'
import { report } from '../chaos/report.ts'
import { runChaos } from '../chaos/run.ts'
import { KINDS } from '../chaos/schedule.ts'

/**
 * A short round of what `npm run chaos` does for hours: test/chaos/README.md. Its seed chooses the faults and their order; when each hits what is under way differs from run to run.
 */
it('a minute of faults under load: no acknowledged write is lost, no key is stale, no read is older than its Logfold-After', {
  timeout: 600_000,
}, async () => {
  const result = await runChaos({
    seconds: 60,
    seed: 1,
    kinds: Object.keys(KINDS),
    writesPerSecond: 200,
    readsPerSecond: 150,
    keep: false,
    quiet: true,
  })
  const said = report(result)
  expect(result.violations, said).toEqual([])
  const cycles = [...result.cycles.values()].reduce((sum, count) => sum + count, 0)
  expect(cycles, said).toBeGreaterThanOrEqual(5)
  expect(result.writes.acknowledged, said).toBeGreaterThan(2_000)
  expect(result.reads.bounded, said).toBeGreaterThan(1_000)
})
