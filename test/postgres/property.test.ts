import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { generationName } from '../../src/model/generation.ts'
import { memorySystem, runHistories, type System, sqliteSystem } from '../support/backend-histories.ts'
import { connect, dropSchema, newSchema, query } from './world.ts'

/** A crash: the server ends all sessions of this schema's connections while they write. */
async function postgresSystem(schema: string): Promise<System> {
  const system: System = {
    backend: await connect(schema),
    async reopen() {
      await system.backend.close()
      system.backend = await connect(schema)
    },
    async crash(parts, generation) {
      const underWay = [...parts].map(([shard, part]) => system.backend.writer(generation).apply(shard, part))
      const ended = query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%"${schema}"%' AND application_name = 'logfold'`)
      await Promise.all([...underWay, ended])
      // Connections that were idle meanwhile may not know yet that they are gone.
      await system.reopen()
      const { entries } = await system.backend.admin(generation).stats('main')
      expect([{ count: String(entries) }]).toEqual(await query(`SELECT count(*) FROM "${schema}"."${generationName(generation)}"`))
    },
  }
  return system
}

for (const seed of [1, 2, 3]) {
  it(`any history of batches, faults and new starts gives the same answers in Postgres, SQLite, memory and a plain map (seed ${seed})`, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'logfold-property-'))
    const schema = newSchema()
    const systems = [await postgresSystem(schema), await sqliteSystem(dataDir), memorySystem(['a', 'b', 'c'])]
    try {
      await runHistories(systems, { numRuns: 12, seed })
    } finally {
      for (const { backend } of systems) await backend.close()
      rmSync(dataDir, { recursive: true, force: true })
      await dropSchema(schema)
    }
  }, 120_000)
}
