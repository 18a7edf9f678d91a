import { LogfoldError } from '../../src/model/errors.ts'
import type { Connections, Run } from './connections.ts'
import { APPLY_PARAMETERS, migrations } from './migrations.ts'
import { literal, type OwnNames, ownNames, quoted } from './names.ts'

/** What `"@apply"` needs, and what tells compressed values. */
const SERVER_VERSION_MIN = 140_000

/** Waits, for `lockMs` at most, for another that does something of this name; until the transaction ends. */
export async function lock(run: Run, ...names: readonly string[]): Promise<void> {
  await run({ text: `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, values: [['logfold', ...names].join('/')] })
}

/**
 * Makes the schema and what is ours in it, where something is missing: in one transaction, one process at a time. Every step may be repeated.
 * @throws config-invalid where the server can't keep views. @throws view-unavailable where a newer logfold made the schema
 */
export async function prepareSchema(connections: Connections, schema: string): Promise<void> {
  await connections.transaction(async run => {
    await assertServer(run)
    await lock(run, 'schema', schema)
    const own = ownNames(schema)
    const [standing] = await run({
      text: `SELECT to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL, to_regclass($3) IS NOT NULL AND to_regclass($4) IS NOT NULL
        AND to_regclass($5) IS NOT NULL AND to_regclass($6) IS NOT NULL AND EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = to_regnamespace($1) AND p.proname = '@apply'
          AND p.pronargs = ${APPLY_PARAMETERS})`,
      values: [own.schema, own.format, own.identity, own.checkpoint, own.grants, own.fence],
    })
    const [hasSchema, hasFormat, isWhole] = standing ?? []
    if (hasSchema !== 't') await run(`CREATE SCHEMA ${quoted(schema)}`)
    if (hasFormat !== 't') await run(`CREATE TABLE ${own.format} (version integer NOT NULL)`)
    const [row] = await run(`SELECT version FROM ${own.format}`)
    const version = Number(row?.[0] ?? 0)
    assertKnown(schema, version)
    for (const step of migrations.slice(isWhole === 't' ? version : 0)) {
      for (const statement of step(schema, own)) await run(statement)
    }
    if (row === undefined) await run(`INSERT INTO ${own.format} (version) VALUES (${migrations.length})`)
    else if (version < migrations.length) await run(`UPDATE ${own.format} SET version = ${migrations.length}`)
  })
}

/** @returns whether there is a schema, of a format that this logfold knows. @throws view-unavailable where a newer one made it */
export async function hasKnownFormat(run: Run, schema: string): Promise<boolean> {
  const mayLook = await run({
    text: `SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = '@format' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`,
    values: [schema],
  })
  // Who may not look, or finds nothing, is told by what it does there.
  if (mayLook.length === 0) return false
  const [row] = await run(`SELECT version FROM ${ownNames(schema).format}`)
  if (row === undefined) return false
  assertKnown(schema, Number(row[0]))
  return true
}

/** @throws view-unavailable */
function assertKnown(schema: string, version: number): void {
  if (version <= migrations.length) return
  throw new LogfoldError(
    'view-unavailable',
    `The schema ${schema} was made by a newer logfold (format ${version}; this one knows ${migrations.length})`,
    { remedy: 'Use the newer logfold, or give this one a schema of its own' },
  )
}

/** Whether a batch can be written: the function is there, and the schema has all steps. As SQL. */
export const isWritableText = (own: OwnNames): string =>
  `EXISTS (SELECT FROM ${own.format} WHERE version >= ${migrations.length})
    AND EXISTS (SELECT FROM pg_proc p WHERE p.proname = '@apply' AND p.pronamespace = to_regnamespace(${literal(own.schema)})
      AND p.pronargs = ${APPLY_PARAMETERS})`

/** @throws config-invalid */
export async function assertServer(run: Run): Promise<void> {
  const [row] = await run(`SELECT current_setting('server_version_num'), current_setting('server_encoding'), current_setting('server_version')`)
  const [version, encoding, versionText] = row ?? []
  if (Number(version) < SERVER_VERSION_MIN) {
    throw new LogfoldError('config-invalid', `The server is Postgres ${versionText}; logfold needs ${SERVER_VERSION_MIN / 10_000} or newer`, {
      remedy: 'Use a newer server',
    })
  }
  if (encoding !== 'UTF8') {
    throw new LogfoldError(
      'config-invalid',
      `The database has the encoding ${encoding}; logfold needs UTF8, in which ids and values are kept as they are`,
      {
        remedy: 'Make a database for it: createdb --encoding UTF8 --template template0 NAME',
      },
    )
  }
}
