import pg from 'pg'
import type { PostgresConfig } from '../../backends/postgres/config.ts'
import postgres from '../../backends/postgres/index.ts'
import type { BackendContext } from '../../src/model/backend-module.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { quiet } from '../support/quiet.ts'

export const SHARD = 'main'
let schemas = 0

/** A schema of its own a case: tests share the server. */
export const newSchema = (): string => `t_${process.pid}_${Date.now().toString(36)}_${++schemas}`

export const configOf = (schema: string, url = sharedPostgres()): PostgresConfig => ({ url, schema, connections: 4 })

export const contextOf = (logger = quiet): BackendContext => ({ name: 'pg', dataDir: '/nowhere', logger, shards: [SHARD] })

export const connect = (schema: string, url = sharedPostgres(), logger = quiet): Promise<ViewBackend> =>
  postgres.connect(configOf(schema, url), contextOf(logger))

/** What another program does, over a connection of its own. */
export async function query(sql: string, url = sharedPostgres()): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, types: { getTypeParser: () => String } })
  await client.connect()
  try {
    const results: unknown = await client.query(sql)
    const last = Array.isArray(results) ? results.at(-1) : results
    return (last as pg.QueryResult<Record<string, unknown>>).rows.map(row => ({ ...row }))
  } finally {
    await client.end()
  }
}

export const dropSchema = (schema: string, url = sharedPostgres()): Promise<unknown> => query(`DROP SCHEMA IF EXISTS "${schema}" CASCADE`, url)
