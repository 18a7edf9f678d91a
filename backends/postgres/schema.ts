import { LogfoldError } from '../../src/model/errors.ts'
import type { Connections, Run } from './connections.ts'
import { migrations } from './migrations.ts'
import { ownNames, quoted } from './names.ts'

/** What `"@apply"` needs, and what tells compressed values. */
export const SERVER_VERSION_MIN = 140_000

/** Waits, for `lockMs` at most, for whoever else does something of this name; until the transaction ends. */
export async function lock(run: Run, ...names: readonly string[]): Promise<void> {
  await run({ text: `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, values: [['logfold', ...names].join('/')] })
}

/**
 * Makes the schema and what is ours in it, where something is missing: in one transaction, one process at a time. Every step may be repeated.
 * @throws config-invalid where the server can't keep views, or a newer logfold made the schema
 */
export async function prepareSchema(connections: Connections, schema: string): Promise<void> {
  await connections.transaction(async run => {
    await assertServer(run)
    await lock(run, 'schema', schema)
    const own = ownNames(schema)
    const [standing] = await run({
      text: `SELECT to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL, to_regclass($3) IS NOT NULL AND to_regclass($4) IS NOT NULL
        AND to_regclass($5) IS NOT NULL AND EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = to_regnamespace($1) AND p.proname = '@apply')`,
      values: [own.schema, own.format, own.identity, own.checkpoint, own.grants],
    })
    const [hasSchema, hasFormat, isWhole] = standing ?? []
    if (hasSchema !== 't') await run(`CREATE SCHEMA ${quoted(schema)}`)
    if (hasFormat !== 't') await run(`CREATE TABLE ${own.format} (version integer NOT NULL)`)
    const [row] = await run(`SELECT version FROM ${own.format}`)
    const version = Number(row?.[0] ?? 0)
    const steps = migrations(schema, own)
    if (version > steps.length) {
      throw new LogfoldError(
        'config-invalid',
        `The schema ${schema} was made by a newer logfold (format ${version}; this one knows ${steps.length})`,
        {
          remedy: 'Use the newer logfold, or give this one a schema of its own',
        },
      )
    }
    for (const statement of steps.slice(isWhole === 't' ? version : 0).flat()) await run(statement)
    if (row === undefined) await run(`INSERT INTO ${own.format} (version) VALUES (${steps.length})`)
    else if (version < steps.length) await run(`UPDATE ${own.format} SET version = ${steps.length}`)
  })
}

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
