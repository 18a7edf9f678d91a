import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { PostgresConfig } from '../../backends/postgres/config.ts'
import postgres from '../../backends/postgres/index.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { freePort } from '../services/ports.ts'
import { type PostgresServer, startPostgres } from '../services/postgres.ts'
import { run } from '../services/run.ts'
import { contextOf, query, SHARD } from './world.ts'

/** Whom the server lets in, and how: with TLS, with a password, only with a certificate. */
const HBA = `host all keyed all scram-sha-256
hostssl all secure all trust
hostssl all certified all cert
host all refused all reject
host all postgres all trust
`

let folder: string
let server: PostgresServer
const open: ViewBackend[] = []
const file = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'logfold-postgres-access-'))
  chmodSync(folder, 0o755)
  writeFileSync(file('hba'), HBA, { mode: 0o644 })
  await certificate('server', ['-subj', '/CN=postgres.test', '-addext', 'subjectAltName=DNS:postgres.test'])
  await certificate('certified', ['-subj', '/CN=certified'])
  const files = { ssl_cert_file: file('server.crt'), ssl_key_file: file('server.key'), ssl_ca_file: file('certified.crt') }
  server = await startPostgres({ config: { hba_file: file('hba'), ssl: 'on', ...files } })
  await query(`CREATE ROLE keyed LOGIN PASSWORD 'right'`, server.url)
  for (const name of ['secure', 'certified', 'refused']) await query(`CREATE ROLE ${name} LOGIN SUPERUSER`, server.url)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const backend of open.splice(0)) await backend.close()
})
afterAll(async () => {
  await server?.dispose()
  rmSync(folder, { recursive: true, force: true })
})

/** Postgres takes a key only of its own user, whom nobody else shares it with. */
async function certificate(name: string, subject: readonly string[]): Promise<void> {
  const days = ['-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run('openssl', ['req', '-x509', ...days, ...subject, '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)])
  chmodSync(file(`${name}.key`), 0o600)
  if (process.getuid?.() !== 0) return
  const [uid = 0, gid = 0] = await Promise.all(['-u', '-g'].map(async which => Number(await run('id', [which, 'postgres']))))
  chownSync(file(`${name}.key`), uid, gid)
}

async function as(user: string, ssl?: PostgresConfig['ssl'], place = `127.0.0.1:${server.port}/postgres`): Promise<ViewBackend> {
  const config = { url: `postgres://${user}@${place}`, schema: 'access', connections: 2, ...(ssl === undefined ? {} : { ssl }) }
  const backend = await postgres.connect(config, contextOf())
  open.push(backend)
  return backend
}

const unavailable = (message: RegExp, remedy: RegExp) => ({
  code: 'view-unavailable',
  message: expect.stringMatching(message),
  remedy: expect.stringMatching(remedy),
})

describe('a server that does not answer, or lets nobody in,', () => {
  it.each([
    ['a wrong password', 'keyed:wrong', /password authentication failed for user "keyed"/, /the user and the password/],
    ['no password', 'keyed', /the server asks for a password, and the url has none$/, /postgres:\/\/user:password@/],
    ['a user that is not there', 'nobody', /no pg_hba.conf entry for host|role "nobody" does not exist/, /pg_hba\.conf/],
    ['a user that is refused', 'refused', /pg_hba\.conf rejects connection/, /pg_hba\.conf/],
    ['no encryption, where it is asked for', 'secure', /no encryption/, /set `ssl: true`/],
  ])('is told of %s, with what to do', async (_, user, message, remedy) => {
    vi.stubEnv('PGPASSWORD', 'right')
    const cause = await (await as(user)).ping(SHARD)
    expect(cause).toMatchObject(unavailable(message, remedy))
    expect(String(cause?.message)).not.toContain('wrong')
  })

  it('is told of a port where nobody listens, and of a host that there isn’t', async () => {
    const nobody = await as('postgres', undefined, `127.0.0.1:${await freePort()}/postgres`)
    expect(await nobody.ping(SHARD)).toMatchObject(unavailable(/ECONNREFUSED/, /Start the server, or correct host and port/))
    const nowhere = await as('postgres', undefined, 'nowhere.invalid/postgres')
    expect(await nowhere.ping(SHARD)).toMatchObject(unavailable(/nowhere\.invalid/, /Correct the host/))
  })
})

describe('TLS', () => {
  it('is used where it is asked for, believes only whom it should, and shows a certificate of its own', async () => {
    const [ca, cert, key] = ['server.crt', 'certified.crt', 'certified.key'].map(name => readFileSync(file(name), 'utf8'))
    const believing = { ca, servername: 'postgres.test', rejectUnauthorized: true }
    const right = await as('secure', believing)
    expect(await right.ping(SHARD)).toBe(undefined)
    const generation = generationOf({ partitions: 1 })
    await right.admin(generation).open(SHARD)
    expect(await right.writer(generation).apply(SHARD, batch(0, 0, 1, [set('one', '1')]))).toEqual({ kind: 'applied' })
    await markFilled(right.admin(generation), SHARD)
    expect((await right.reader(generation).get(['one'])).map(textOf)).toEqual(['1'])
    expect(await (await as('secure', believing, `localhost:${server.port}/postgres`)).ping(SHARD)).toBe(undefined)
    expect(await (await as('secure', { rejectUnauthorized: false })).ping(SHARD)).toBe(undefined)
    expect(await (await as('certified', { ...believing, cert, key })).ping(SHARD)).toBe(undefined)

    const mistrust = unavailable(/certificate/, /`ca`, `cert`, `key` or `servername` in `ssl`/)
    expect(await (await as('secure', true)).ping(SHARD)).toMatchObject(mistrust)
    expect(await (await as('secure', { ...believing, servername: 'another.test' })).ping(SHARD)).toMatchObject(mistrust)
    expect(await (await as('certified', believing)).ping(SHARD)).toMatchObject({ code: 'view-unavailable' })
  })

  it('where the server has none is told', async () => {
    await using plain = await startPostgres()
    const backend = await as('postgres', true, `127.0.0.1:${plain.port}/postgres`)
    expect(await backend.ping(SHARD)).toMatchObject(unavailable(/does not support SSL/, /Take `ssl` and sslmode out/))
  })
})
