import { expect, it } from 'vitest'
import { sharedPostgres } from '../services/postgres.ts'
import { run } from '../services/run.ts'
import { told } from '../support/verify-world.ts'
import { writtenStore } from '../support/written-store.ts'
import { connect, dropSchema, newSchema, query, SHARD } from './world.ts'

it('what psql did to a table that is written to is found, just that, and mended', async () => {
  const schema = newSchema()
  const backend = await connect(schema)
  const psql = async (statement: string): Promise<string> =>
    (await run('psql', [sharedPostgres(), '-v', 'ON_ERROR_STOP=1', '-c', statement.replace('job@1', `"${schema}"."job@1"`)])).trim()
  try {
    await using store = await writtenStore(backend)
    const changed = await store.write('changed', '{"title": "Baker"}')
    const respaced = await store.write('respaced', '{"title": "Cook"}')
    const deleted = await store.write('deleted', '{"title": "Chef"}')
    await store.caughtUp()
    expect(told(await store.verify({ repair: false }))).toEqual([])

    expect(await psql(`UPDATE job@1 SET value = '{"title": "Chef"}' WHERE key = 'changed'`)).toBe('UPDATE 1')
    // The same value for JSON, but not what was written.
    expect(await psql(`UPDATE job@1 SET value = '{"title":"Cook"}' WHERE key = 'respaced'`)).toBe('UPDATE 1')
    expect(await psql(`DELETE FROM job@1 WHERE key = 'deleted'`)).toBe('DELETE 1')
    expect(await psql(`INSERT INTO job@1 VALUES ('ghost', '1', 0, 0, now())`)).toBe('INSERT 0 1')
    const lines = [
      `different changed on ${SHARD} at ${changed}`,
      `different respaced on ${SHARD} at ${respaced}`,
      `extra ghost on ${SHARD} at no place`,
      `missing deleted on ${SHARD} at ${deleted}`,
    ]
    const found = await store.verify({ repair: false })
    expect([told(found), found.phase, found.left]).toEqual([lines, 'done', 4])
    const mended = await store.verify({ repair: true })
    expect([told(mended), mended.phase, mended.left]).toEqual([lines.map(line => `${line}, repaired`), 'done', 0])
    expect(told(await store.verify({ repair: false }))).toEqual([])

    expect(await query(`SELECT key, value FROM "${schema}"."job@1" WHERE key IN ('changed', 'respaced', 'deleted', 'ghost') ORDER BY key`)).toEqual([
      { key: 'changed', value: '{"title": "Baker"}' },
      { key: 'deleted', value: '{"title": "Chef"}' },
      { key: 'respaced', value: '{"title": "Cook"}' },
    ])
    await store.expectAsWritten()
  } finally {
    await backend.close()
    await dropSchema(schema)
  }
})
