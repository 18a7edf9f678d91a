import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'

/** What Postgres's errors mean here. Their codes (SQLSTATE): https://www.postgresql.org/docs/current/errcodes-appendix.html */

/** A table, schema or function of ours isn't there. */
const LOST_CODES: ReadonlySet<string> = new Set(['42P01', '3F000', '42883'])

/**
 * Classes that speak of the data or the statement, not of the server: repeating changes nothing. 0A unsupported, 21 and 22 data, 23 constraints, 42 a table of another
 * shape, 44 a view's check, 54 a limit of Postgres, P0 raised by somebody's trigger.
 */
const REFUSING_CLASSES: ReadonlySet<string> = new Set(['0A', '21', '22', '23', '42', '44', '54', 'P0'])
/** In those classes, but of the server's making: the rights of a user, a statement that a pooler between us and the server mislaid. */
const UNAVAILABLE_CODES: ReadonlySet<string> = new Set(['42501', '42P05', '54001'])

/** What `"@apply"` raises where a row that it gave isn't there afterwards. */
export const SWALLOWED_CODE = 'P0L01'

/** Somebody else was in the way for a moment. */
const CONTENTION_CODES: ReadonlySet<string> = new Set(['40001', '40P01', '55P03', '57014', '2BP01'])

const REMEDIES: Readonly<Record<string, string>> = {
  '26000': 'A pooler between logfold and Postgres must give each connection a session of its own (PgBouncer: pool_mode = session)',
  '42P05': 'A pooler between logfold and Postgres must give each connection a session of its own (PgBouncer: pool_mode = session)',
  '28000':
    'Check the user in the backend’s url, and that the server’s pg_hba.conf lets it in from here; where it says “no encryption”, set `ssl: true`',
  '28P01': 'Check the user and the password in the backend’s url',
  '3D000': 'Make the database (createdb --encoding UTF8), or correct the backend’s url',
  '42501':
    'Let the user make a schema (GRANT CREATE ON DATABASE … TO …), or make the schema for it (CREATE SCHEMA … AUTHORIZATION …). Tables that another user made must be given to it',
  '25006': 'Give the address of the primary server: this one is a standby, or default_transaction_read_only is on',
  '53100': 'Make room on the server’s disk',
  '53200': 'Give the server more memory, or lower its settings',
  '53300': 'Raise the server’s max_connections, or lower `connections` of the backend',
  '55P03': 'Somebody holds a lock on the table or the view for long; it is tried again by itself',
  '57014': 'The server was too slow, or a lock was held for too long; it is tried again by itself',
  [SWALLOWED_CODE]: 'Let the trigger on the table return NEW, or drop it: logfold keeps no view that lacks entries',
  '2BP01': 'Drop what depends on it, as the message says: it hinders what logfold has to do, which is tried again by itself',
}

/** What pg says when none of a pool's connections became free in time. */
const BUSY = /timeout exceeded when trying to connect/

/** What goes wrong before Postgres says anything: codes of Node's sockets and of TLS, and texts of pg's, which have no code. */
const UNANSWERED: readonly { readonly pattern: RegExp; readonly what?: string; readonly remedy: string }[] = [
  {
    pattern: /ECONNREFUSED/,
    remedy: 'Start the server, or correct host and port in the backend’s url; it must listen there, too (listen_addresses)',
  },
  { pattern: /ENOTFOUND|EAI_AGAIN/, remedy: 'Correct the host in the backend’s url' },
  { pattern: /ENOENT/, remedy: 'Correct the folder of the socket in the backend’s url (host=), or start the server' },
  {
    pattern: /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|due to connection timeout/,
    remedy: 'See whether it is Postgres that listens there, and whether a firewall is in between',
  },
  {
    pattern: BUSY,
    what: 'every connection is in use',
    remedy: 'See what holds them up (pg_stat_activity, pg_locks), or raise `connections` of the backend; it is tried again by itself',
  },
  {
    pattern: /Query read timeout/,
    remedy: 'See whether the server hangs, or is busy for long (pg_stat_activity); it is tried again by itself',
  },
  { pattern: /ECONNRESET|EPIPE|Connection terminated/, remedy: 'See whether the server runs; it is tried again by itself' },
  {
    pattern: /client password must be/,
    what: 'the server asks for a password, and the url has none',
    remedy: 'Write it into the backend’s url: postgres://user:password@host/database',
  },
  { pattern: /does not support SSL/, remedy: 'Take `ssl` and sslmode out of the backend, or switch ssl on in the server' },
  {
    pattern: /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/,
    remedy: 'Set `ca`, `cert`, `key` or `servername` in `ssl` of the backend',
  },
]

/** How Postgres reports an error. */
interface SqlError extends Error {
  readonly code: string
  readonly severity: string
  readonly detail?: string
}

export const isSqlError = (error: unknown): error is SqlError =>
  error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string'

const codeOf = (error: unknown): string => (isSqlError(error) ? error.code : '')
const nodeCodeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '')

export const isContention = (error: unknown): boolean => CONTENTION_CODES.has(codeOf(isLogfoldError(error) ? error.cause : error))
export const isBusy = (error: LogfoldError): boolean => error.cause instanceof Error && BUSY.test(error.cause.message)

/** Whether a connection is as good as before: the server answered, stays, and what it keeps prepared has not become wrong. */
export const leavesUsable = (error: unknown): boolean =>
  isLogfoldError(error) || (isSqlError(error) && error.severity === 'ERROR' && (LOST_CODES.has(error.code) || CONTENTION_CODES.has(error.code)))

/**
 * @param where stands in the message. @returns a `LogfoldError` as it is; else `view-lost` where something of ours isn't there, `store-refused` where Postgres doesn't take
 * the data or the statement, and `view-unavailable` for everything else.
 */
export function explained(error: unknown, where: string): LogfoldError {
  if (isLogfoldError(error)) return error
  const code = codeOf(error)
  const known = isSqlError(error) ? undefined : UNANSWERED.find(({ pattern }) => pattern.test(`${nodeCodeOf(error)} ${textOf(error)}`.trimStart()))
  return new LogfoldError(errorCodeOf(code), `${where}: ${known?.what ?? textOf(error)}`, {
    cause: isSqlError(error) ? withoutData(error) : error,
    remedy: known?.remedy ?? REMEDIES[code],
  })
}

function errorCodeOf(code: string): 'view-lost' | 'store-refused' | 'view-unavailable' {
  if (LOST_CODES.has(code)) return 'view-lost'
  return REFUSING_CLASSES.has(code.slice(0, 2)) && !UNAVAILABLE_CODES.has(code) ? 'store-refused' : 'view-unavailable'
}

/** For logs: `detail`, `where` and other members of a server's error may have values of entries in them. */
function withoutData(error: SqlError): Error {
  const { code, severity } = error
  return Object.assign(new Error(textOf(error)), { code, severity })
}

/** Node reports a host with several addresses, none of which answers, as an error of errors, without a message of its own. */
function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(textOf).join('; ')
  if (!isSqlError(error)) return error instanceof Error ? error.message : String(error)
  // What is in quotes there is the data that is at fault.
  if (error.code.startsWith('22')) return error.message.replace(/".*"/s, '"…"')
  return error.code === '2BP01' && error.detail !== undefined ? `${error.message}. ${error.detail}` : error.message
}
