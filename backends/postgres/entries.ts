import type { Generation } from '../../src/model/view-backend.ts'
import type { Run } from './connections.ts'
import { entriesTable, entryColumns } from './names.ts'
import { hide } from './sql-view.ts'

/**
 * Leaves the generation an empty table. One that has the shape it should have is emptied, so that the SQL view over it stays; another is made anew. It is never unlogged: it
 * would be empty after a crash, and its checkpoint elsewhere not.
 */
export async function emptyTable(run: Run, schema: string, generation: Generation): Promise<void> {
  const table = entriesTable(schema, generation)
  if (await hasShape(run, schema, generation)) {
    await run(`TRUNCATE ${table}`)
    return
  }
  await dropTable(run, schema, generation)
  const columns = entryColumns(generation.format).map(([name, type]) => `${name} ${type} ${name === 'key' ? 'COLLATE "C" PRIMARY KEY' : 'NOT NULL'}`)
  await run(`CREATE TABLE ${table} (${columns.join(', ')})`)
}

export async function dropTable(run: Run, schema: string, generation: Generation): Promise<void> {
  await hide(run, schema, generation)
  await run(`DROP TABLE IF EXISTS ${entriesTable(schema, generation)}`)
}

export async function hasShape(run: Run, schema: string, generation: Generation): Promise<boolean> {
  const [row] = await run({
    text: `SELECT c.relkind = 'r' AND c.relpersistence = 'p', string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum),
        bool_or(a.attname = 'key' AND a.attcollation = '"C"'::regcollation),
        EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary AND x.indisvalid)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      WHERE c.oid = to_regclass($1) GROUP BY c.oid, c.relkind, c.relpersistence`,
    values: [entriesTable(schema, generation)],
  })
  const [isTable, columns, isOrdered, hasKey] = row ?? []
  const wanted = entryColumns(generation.format)
    .map(column => column.join(' '))
    .join(', ')
  return isTable === 't' && columns === wanted && isOrdered === 't' && hasKey === 't'
}
