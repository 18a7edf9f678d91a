import { join } from 'node:path'
import { HttpClient } from '../chaos/http.ts'
import { differences, type Entries } from '../chaos/judge-stores.ts'
import { entryOf } from '../chaos/readers.ts'
import { dumpRedis } from './redis-dump.ts'
import { type BackendName, isRing, SQLITE_FILE } from './servers.ts'
import { dumpPostgres, dumpSqlite } from './sql-dumps.ts'
import { VIEW, type World } from './world.ts'

/** What ought to serve. */
export interface Serving {
  readonly backend: BackendName
  readonly generation: number
}

/** What stands in the stores, read past logfold. */
export interface Dump {
  readonly entries: Entries
  /** What stands where it shouldn't, or not where it should. */
  readonly violations: readonly string[]
}

/** All stores: the entries of what serves, and that nothing else stands in any of them. */
export async function dumpStores({ servers, folder }: World, serving: Serving): Promise<Dump> {
  const redis = await dumpRedis(servers, serving)
  const postgres = await dumpPostgres(servers.postgres.url, serving)
  const sqlite = dumpSqlite(join(folder, 'data', SQLITE_FILE), serving)
  const { entries } = isRing(serving.backend) ? redis : serving.backend === 'pg' ? postgres : sqlite
  return { entries, violations: [redis, postgres, sqlite].flatMap(({ violations }) => violations) }
}

/** The view, as each API process lists it, held against what it should be. */
export async function judgeLists({ apis }: World, expected: Entries): Promise<readonly string[]> {
  const http = new HttpClient()
  const violations: string[] = []
  for (const api of apis) {
    const where = `the list by ${api.name}`
    const answer = await http.ask({ method: 'GET', port: api.httpPort, path: `/api/${VIEW}`, headers: { accept: 'application/x-ndjson' } })
    if (!answer.whole || answer.status !== 200) violations.push(`FAILED: ${where}: ${answer.failure ?? answer.body.slice(0, 500)}`)
    else {
      const lines = answer.body.split('\n').slice(0, -1).map(entryOf)
      violations.push(...differences(where, new Map(lines.map(({ key, value }) => [key, value])), expected))
    }
  }
  http.close()
  return violations
}
