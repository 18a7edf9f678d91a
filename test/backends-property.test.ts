import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'vitest'
import { memorySystem, runHistories, sqliteSystem } from './support/backend-histories.ts'

it('any history of batches, faults and new starts gives the same answers in memory, SQLite and a plain map', { timeout: 120_000 }, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-property-'))
  const systems = [memorySystem(['main']), memorySystem(['a', 'b', 'c']), await sqliteSystem(dataDir)]
  try {
    await runHistories(systems, { numRuns: 40 })
  } finally {
    for (const { backend } of systems) await backend.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
})
