import { LogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Run } from './connections.ts'
import { isSqlError } from './faults.ts'
import { entriesTable, entryColumns, ownNames, quoted, sqlView, valueType } from './names.ts'

/** The SQL view `job`, for people: the entries of the generation that serves. Each of these runs in a transaction under the view's lock. */

type Shows = 'this' | 'another' | 'nothing of ours'

interface Found {
  readonly shows: Shows
  readonly valueType: string | undefined
}

/**
 * What has the view's name shows this generation, another of this view, or is somebody else's; null where nothing has it. As SQL, with the first four parameters as `showsValues`
 * gives them. All of it is from the statement's snapshot: one that is dropped and made meanwhile isn't missed.
 */
export const SHOWS = `(
  SELECT CASE WHEN c.relkind <> 'v' OR e.oid IS NULL THEN 'nothing of ours' WHEN e.oid = to_regclass($4) THEN 'this' ELSE 'another' END
  FROM pg_class c LEFT JOIN LATERAL (
    SELECT t.oid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class t ON t.oid = d.refobjid AND t.relkind = 'r' AND t.relnamespace = c.relnamespace AND t.relname ~ $3
    WHERE r.ev_class = c.oid LIMIT 1
  ) e ON true
  WHERE c.relnamespace = to_regnamespace($1) AND c.relname = $2
)`

export const showsValues = (schema: string, generation: Generation): readonly string[] => [
  quoted(schema),
  generation.view,
  `^${generation.view}@[0-9]+$`,
  entriesTable(schema, generation),
]

async function find(run: Run, schema: string, generation: Generation): Promise<Found | undefined> {
  const [row] = await run({
    text: `SELECT ${SHOWS}, (
        SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND a.attname = 'value'
        WHERE c.relnamespace = to_regnamespace($1) AND c.relname = $2
      )`,
    values: showsValues(schema, generation),
  })
  const shows = row?.[0] as Shows | null | undefined
  return shows === null || shows === undefined ? undefined : { shows, valueType: row?.[1] ?? undefined }
}

/**
 * Makes the view show this generation. One that has the same columns is replaced, so that all that depends on it stays; another is dropped and made, and what was granted on
 * it granted again.
 * @throws foreign-store where something else has the view's name
 */
export async function show(run: Run, schema: string, generation: Generation): Promise<void> {
  const found = await find(run, schema, generation)
  if (found?.shows === 'this') return
  const view = sqlView(schema, generation)
  if (found?.shows === 'nothing of ours') {
    throw new LogfoldError('foreign-store', `There is a ${view} in the schema that logfold did not make`, {
      remedy: 'Rename it, or give the backend a schema of its own',
    })
  }
  const columns = entryColumns(generation.format).map(([name]) => name)
  const select = `SELECT ${columns.join(', ')} FROM ${entriesTable(schema, generation)}`
  if (found?.valueType === valueType(generation.format)) {
    await run(`CREATE OR REPLACE VIEW ${view} AS ${select}`)
    return
  }
  if (found !== undefined) await take(run, schema, generation)
  await run(`CREATE VIEW ${view} AS ${select}`)
  await grantAgain(run, schema, generation)
}

/** Takes the view away where it shows this generation. What was granted on it is kept for the next. */
export async function hide(run: Run, schema: string, generation: Generation): Promise<void> {
  const found = await find(run, schema, generation)
  if (found?.shows === 'this') await take(run, schema, generation)
}

async function take(run: Run, schema: string, generation: Generation): Promise<void> {
  await run({
    text: `INSERT INTO ${ownNames(schema).grants} (view, statements) SELECT $3, coalesce(array_agg(g.statement), '{}') FROM (
        SELECT format('GRANT %s ON %I.%I TO %s%s', a.privilege_type, $1::text, $3::text, ${GRANTEE}, ${OPTION}) AS statement
          FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = to_regclass($2) AND a.grantee <> c.relowner
        UNION ALL
        SELECT format('GRANT %s (%I) ON %I.%I TO %s%s', a.privilege_type, t.attname, $1::text, $3::text, ${GRANTEE}, ${OPTION})
          FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a WHERE c.oid = to_regclass($2) AND a.grantee <> c.relowner
      ) g ON CONFLICT (view) DO UPDATE SET statements = excluded.statements`,
    values: [schema, sqlView(schema, generation), generation.view],
  })
  await run(`DROP VIEW ${sqlView(schema, generation)}`)
}

const GRANTEE = `CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END`
const OPTION = `CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END`

/** To whom a role is that was dropped meanwhile, nothing is granted. */
async function grantAgain(run: Run, schema: string, generation: Generation): Promise<void> {
  const rows = await run({
    text: `DELETE FROM ${ownNames(schema).grants} WHERE view = $1 RETURNING array_to_json(statements)::text`,
    values: [generation.view],
  })
  const statements = JSON.parse(rows[0]?.[0] ?? '[]') as readonly string[]
  for (const statement of statements) {
    await run('SAVEPOINT granting')
    try {
      await run(statement)
    } catch (error) {
      if (!(isSqlError(error) && error.code === UNDEFINED_ROLE)) throw error
      await run('ROLLBACK TO SAVEPOINT granting')
    }
  }
}

const UNDEFINED_ROLE = '42704'
