import { checkServerIdentity } from 'node:tls'
import type { PoolConfig } from 'pg'
import type { PostgresConfig } from './config.ts'

/** How a config is reached, and what to call that in messages: nothing secret in it. */
export interface Address {
  readonly name: string
  readonly connection: Pick<PoolConfig, 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl'>
}

const PORT = 5432

export function addressOf({ url, ssl }: Pick<PostgresConfig, 'url' | 'ssl'>): Address {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url)
  const host = searchParams.get('host') ?? (hostname === '' ? 'localhost' : decodeURIComponent(hostname).replace(/^\[(.*)\]$/, '$1'))
  const database = decodeURIComponent(pathname.slice(1))
  const number = port === '' ? PORT : Number(port)
  const chosen = ssl ?? sslOf(searchParams.get('sslmode'))
  return {
    name: host.startsWith('/') ? `${host}/${database}` : `${host}:${number}/${database}`,
    connection: {
      host,
      port: number,
      database,
      ...(username === '' ? {} : { user: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
      ...(chosen === undefined ? {} : { ssl: typeof chosen === 'boolean' ? chosen : tlsOf(chosen) }),
    },
  }
}

/** As libpq means them: `require` encrypts, and trusts whoever answers. */
function sslOf(mode: string | null): PostgresConfig['ssl'] {
  if (mode === null) return undefined
  return mode === 'disable' ? false : { rejectUnauthorized: mode === 'verify-full' }
}

/** A copy, as pg changes it. pg takes the host for `servername` where the host is a name: so it is ours that says which name the certificate must have. */
function tlsOf(chosen: Exclude<PostgresConfig['ssl'], boolean | undefined>): Address['connection']['ssl'] {
  const { servername } = chosen
  return servername === undefined
    ? { ...chosen }
    : { ...chosen, checkServerIdentity: (_, certificate) => checkServerIdentity(servername, certificate) }
}
