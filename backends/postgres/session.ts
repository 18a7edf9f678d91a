import { Socket } from 'node:net'
import { userInfo } from 'node:os'
import type { ClientBase, PoolConfig } from 'pg'
import type { Address } from './address.ts'

/** Reads never wait for a batch to be written, and neither for an operator's lock: each has connections of its own. */
export type Purpose = 'read' | 'write' | 'admin'

export interface Waits {
  /** For a connection, new or free; and for a new one to be set up. */
  readonly connectMs: number
  /** The server gives a statement up after this. */
  readonly statementMs: Readonly<Record<Purpose, number>>
  /** For a server that says nothing at all, on top of that; and for one that doesn't take its leave. */
  readonly silenceMs: number
  /**
   * For others' locks. Much shorter than the wait for a connection, so that a table that somebody locked doesn't take the connections of all views; and where a table or
   * a view is to be changed, everything that reads it waits behind us meanwhile.
   */
  readonly lockMs: Readonly<Record<Purpose, number>>
}

export const waits: Waits = {
  connectMs: 5_000,
  statementMs: { read: 10_000, write: 30_000, admin: 30_000 },
  silenceMs: 2_000,
  lockMs: { read: 2_000, write: 2_000, admin: 1_000 },
}

const IDLE_MS = 30_000
const KEEP_ALIVE_MS = 10_000

/**
 * Settings of every session, whatever the server's defaults are. Sent behind the start, where a pooler takes no parameters; by SET, as a standby answers no query under
 * some defaults.
 *
 * Read committed: a statement's snapshot is then taken behind its locks, so that no reader can see a table that was emptied together with an identity from before.
 * search_path: else whoever may make a function in `public` could have ours call it, with our rights.
 */
const settingsText = (purpose: Purpose, { statementMs, lockMs }: Waits): string =>
  [
    'search_path = pg_catalog, pg_temp',
    `default_transaction_isolation = 'read committed'`,
    'bytea_output = hex',
    'jit = off',
    `statement_timeout = ${statementMs[purpose]}`,
    `lock_timeout = ${lockMs[purpose]}`,
    ...(purpose === 'admin' ? [`idle_in_transaction_session_timeout = ${statementMs.admin}`] : []),
  ]
    .map(setting => `SET ${setting}`)
    .join('; ')

/**
 * How a pool connects.
 * @param sockets those that are open, to be destroyed where the server doesn't close its side
 */
export function poolConfig(purpose: Purpose, address: Address, given: Waits, sockets: Set<Socket>): PoolConfig {
  const setUp = { text: settingsText(purpose, given), query_timeout: given.connectMs }
  return {
    // Where the config is silent, pg would take PGUSER, PGPASSWORD, a file of passwords, and so on.
    user: ownUser(),
    password: () => '',
    ssl: false,
    sslnegotiation: 'postgres',
    ...address.connection,
    application_name: 'logfold',
    connectionTimeoutMillis: given.connectMs,
    idleTimeoutMillis: IDLE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    query_timeout: given.statementMs[purpose] + given.silenceMs,
    onConnect: (client: ClientBase) => client.query(setUp),
    stream() {
      const socket = new Socket()
      sockets.add(socket)
      return socket.once('close', () => sockets.delete(socket))
    },
  }
}

/** As libpq does it: who runs this process. The server names it where it doesn't know it. */
function ownUser(): string {
  try {
    return userInfo().username
  } catch {
    // The system has no name for it, as in a container.
    return String(process.getuid?.())
  }
}
