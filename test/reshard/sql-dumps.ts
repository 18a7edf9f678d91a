import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { Dump, Serving } from './stores.ts'
import { VIEW } from './world.ts'

const GENERATION = new RegExp(`^${VIEW}@\\d+`)
const none: Dump = { entries: new Map(), violations: [] }

const misnamed = (where: string, found: readonly string[], expected: readonly string[]): readonly string[] => [
  ...found.filter(name => !expected.includes(name)).map(name => `LEFT: ${name} is in ${where}`),
  ...expected.filter(name => !found.includes(name)).map(name => `MISSING: ${name} isn't in ${where}`),
]

/** The table of the generation that serves, where it is here, and the SQL view, which has to show the same; no other table or row may name a generation but the fence. */
export async function dumpPostgres(url: string, { backend, generation }: Serving): Promise<Dump> {
  const client = new pg.Client({ connectionString: url, types: { getTypeParser: () => String } })
  await client.connect()
  try {
    const names = async (sql: string): Promise<readonly string[]> => (await client.query<{ name: string }>(sql)).rows.map(({ name }) => name)
    const ours = "FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'logfold' AND relkind IN ('r', 'v')"
    const found = (await names(`SELECT relname AS name ${ours}`)).filter(name => !name.startsWith('@'))
    const serves = backend === 'pg'
    const table = `${VIEW}@${generation}`
    const violations = [...misnamed('Postgres', found, serves ? [table, VIEW] : [])]
    const isOurs = (await names(`SELECT relname AS name ${ours} AND relname = '@identity'`)).length > 0
    for (const rows of isOurs ? ['@identity', '@checkpoint'] : []) {
      const named = await names(`SELECT DISTINCT generation AS name FROM logfold."${rows}"`)
      violations.push(...misnamed(`Postgres's ${rows}`, named, serves ? [table] : []))
    }
    if (!serves || violations.length > 0) return { ...none, violations }
    const entries = async (of: string): Promise<ReadonlyMap<string, string>> => {
      const { rows } = await client.query<{ key: string; value: string }>(`SELECT key, value::text AS value FROM logfold."${of}"`)
      return new Map(rows.map(({ key, value }) => [key, value]))
    }
    const shown = await entries(VIEW)
    const held = await entries(table)
    return { entries: held, violations: sameSize(shown, held, 'Postgres') }
  } finally {
    await client.end()
  }
}

/** As `dumpPostgres`. */
export function dumpSqlite(file: string, { backend, generation }: Serving): Dump {
  if (!existsSync(file)) return none
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").all()
    const found = rows.map(({ name }) => String(name)).filter(name => name === VIEW || GENERATION.test(name))
    const table = `${VIEW}@${generation}`
    const serves = backend === 'file'
    const violations = misnamed('SQLite', found, serves ? [VIEW, table, `${table}/checkpoint`, `${table}/identity`] : [])
    if (!serves || violations.length > 0) return { ...none, violations }
    const entries = (of: string): ReadonlyMap<string, string> =>
      new Map(
        db
          .prepare(`SELECT key, value FROM "${of}"`)
          .all()
          .map(({ key, value }) => [String(key), String(value)]),
      )
    const held = entries(table)
    return { entries: held, violations: sameSize(entries(VIEW), held, 'SQLite') }
  } finally {
    db.close()
  }
}

const sameSize = (shown: ReadonlyMap<string, string>, held: ReadonlyMap<string, string>, where: string): readonly string[] =>
  [...held].every(([key, value]) => shown.get(key) === value) && shown.size === held.size ? [] : [`The SQL view of ${where} shows something else`]
