import type { Generation, ViewFormat } from '../../src/model/generation.ts'
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
  const rows = await run({ text: `SELECT ${hasShapeText('$1', '$2')}`, values: [entriesTable(schema, generation), columnsText(generation.format)] })
  return rows[0]?.[0] === 't'
}

/** Whether a table is there that is as logfold made it, whatever indexes and triggers it got. As SQL; the parameters are its name, and what `columnsText` gives. */
export const hasShapeText = (table: string, columns: string): string => `EXISTS (
  SELECT FROM pg_class t JOIN pg_attribute k ON k.attrelid = t.oid AND k.attname = 'key' AND k.attcollation = '"C"'::regcollation
  JOIN pg_index x ON x.indrelid = t.oid AND x.indisprimary AND x.indisvalid AND x.indimmediate AND x.indnkeyatts = 1 AND x.indkey[0] = k.attnum
  WHERE t.oid = to_regclass(${table}) AND t.relkind = 'r' AND t.relpersistence = 'p' AND ${columns} = (
    SELECT string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  )
)`

export const columnsText = (format: ViewFormat): string =>
  entryColumns(format)
    .map(column => column.join(' '))
    .join(', ')
