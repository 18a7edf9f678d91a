import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { PostgresBackend } from '../../backends/postgres/backend.ts'
import type { PostgresConfig } from '../../backends/postgres/config.ts'
import { waits } from '../../backends/postgres/session.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, markFilled, set } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { quiet } from '../support/quiet.ts'
import { proxyTo } from './proxy.ts'
import { configOf, connect, dropSchema, newSchema, query, SHARD } from './world.ts'

/** How a session begins and ends. */

let schema: string
const backends: ViewBackend[] = []

beforeEach(() => {
  schema = newSchema()
})
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const backend of backends.splice(0)) await backend.close()
  await dropSchema(schema)
})

const kept = <T extends ViewBackend>(backend: T): T => {
  backends.push(backend)
  return backend
}

it('what our code gets wrong in the middle of a transaction is a bug, and no outage of the server; nothing of the transaction is done', async () => {
  const generation = generationOf()
  const odd = new TypeError('odd')
  const broken = {
    ...generation,
    get partitions(): number {
      throw odd
    },
  }
  const backend = kept(await connect(schema))
  await expect(backend.admin(broken).open(SHARD)).rejects.toBe(odd)
  await expect(backend.admin(generation).opening(SHARD)).rejects.toMatchObject({ code: 'view-lost' })
  expect(await backend.admin(generation).open(SHARD)).toBe('opened')
})

it('what pg gets wrong, where the server sends what it should not, is an outage', async () => {
  // Logged in, ready, and then a row that nobody asked for.
  const answer = Buffer.from('R\0\0\0\x08\0\0\0\0' + 'Z\0\0\0\x05I' + 'D\0\0\0\x0b\0\x01\0\0\0\x01A', 'latin1')
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write(answer))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const backend = kept(await connect(schema, `postgres://me@127.0.0.1:${port}/app`))
    await expect(backend.reader(generationOf()).filled(SHARD)).rejects.toMatchObject({
      code: 'view-unavailable',
      cause: { cause: expect.any(TypeError) },
    })
  } finally {
    server.close()
  }
})

describe('a session', () => {
  it('asks for nothing at its start that a pooler would refuse', async () => {
    expect(await startOf('me@')).toEqual({ user: 'me', database: 'app', application_name: 'logfold', client_encoding: 'UTF8' })
  })

  it('takes nothing from the environment that the config is silent about', async () => {
    const environment = { PGUSER: 'another', PGDATABASE: 'another', PGAPPNAME: 'another', PGSSLMODE: 'require', PGSSLNEGOTIATION: 'direct' }
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
    expect(await startOf('')).toEqual({ user: userInfo().username, database: 'app', application_name: 'logfold', client_encoding: 'UTF8' })
  })

  it('is what it should be, whatever the database’s defaults are', async () => {
    const database = `defaults_${process.pid}_${Date.now()}`
    const url = sharedPostgres().replace(/\/[^/]*$/, `/${database}`)
    await query(`CREATE DATABASE ${database}`)
    try {
      const defaults = {
        bytea_output: 'escape',
        default_transaction_isolation: 'repeatable read',
        client_encoding: 'LATIN1',
        search_path: 'nowhere',
        statement_timeout: '1s',
        lock_timeout: '1s',
      }
      for (const [name, value] of Object.entries(defaults)) await query(`ALTER DATABASE ${database} SET ${name} = '${value}'`)
      const backend = await connect(schema, url)
      const generation = generationOf({ format: 'bytes' })
      const bytes = Uint8Array.of(0, 65, 92, 255)
      await backend.admin(generation).open(SHARD)
      await query(
        `CREATE TABLE "${schema}".seen AS SELECT name, setting FROM pg_settings LIMIT 0;
        CREATE FUNCTION "${schema}".note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO "${schema}".seen SELECT name, setting FROM pg_settings WHERE name = ANY ('{${Object.keys(defaults).join(',')},transaction_isolation}');
          RETURN NEW;
        END $$;
        CREATE TRIGGER note AFTER INSERT ON "${schema}"."job@1" EXECUTE FUNCTION "${schema}".note()`.replace('RETURN NEW', 'RETURN NULL'),
        url,
      )
      expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 1, [set('é', bytes)]))).toEqual({ kind: 'applied' })
      await markFilled(backend.admin(generation), SHARD)
      expect(await backend.reader(generation).get(['é'])).toEqual([Buffer.from(bytes)])
      await backend.close()
      const seen = await query(`SELECT name, setting FROM "${schema}".seen`, url)
      expect(Object.fromEntries(seen.map(({ name, setting }) => [name, setting]))).toEqual({
        bytea_output: 'hex',
        default_transaction_isolation: 'read committed',
        transaction_isolation: 'read committed',
        client_encoding: 'UTF8',
        search_path: 'pg_catalog, pg_temp',
        statement_timeout: '30000',
        lock_timeout: '2000',
      })
    } finally {
      await query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
    }
  })
})

describe('connections that are all in use', () => {
  it('are told as such: it is not the server that does not answer', async () => {
    const said: unknown[] = []
    const given = { ...waits, connectMs: 400 }
    const logger = { ...quiet, warn: (message: string) => void said.push(message) }
    const backend = kept(new PostgresBackend({ ...configOf(schema), connections: 1 }, logger, given))
    const generation = generationOf()
    await backend.admin(generation).open(SHARD)
    const locker = new pg.Client(sharedPostgres())
    await locker.connect()
    await locker.query(`BEGIN; LOCK TABLE "${schema}"."job@1" IN ACCESS EXCLUSIVE MODE`)
    try {
      const [first, second] = await Promise.all([0, 1].map(at => backend.writer(generation).apply(SHARD, batch(at, 0, 1, [set('one', '1')]))))
      expect(first).toMatchObject({ kind: 'unavailable', cause: { cause: { code: '55P03' } } })
      expect(second).toMatchObject({
        kind: 'unavailable',
        cause: { message: expect.stringMatching(/: every connection is in use$/), remedy: expect.stringContaining('`connections`') },
      })
      expect(said).toEqual(['All connections to Postgres are in use'])
    } finally {
      await locker.end()
    }
  })
})

describe('a process', () => {
  it('ends where the server hangs, as soon as the backend is closed and has waited a moment', async () => {
    const proxy = await proxyTo(sharedPostgres())
    try {
      expect(await endOf(configOf(schema, proxy.url), () => proxy.hang())).toBe(0)
    } finally {
      await proxy.close()
    }
  })
})

/** How a process ends that is told to close its backend after `stop`. */
async function endOf(config: PostgresConfig, stop: () => void): Promise<number | string | null> {
  const child = spawn(process.execPath, [new URL('closing-child.ts', import.meta.url).pathname, JSON.stringify(config)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  try {
    const [said] = (await once(child.stdout, 'data')) as [Buffer]
    expect(said.toString()).toBe('ready\n')
    stop()
    child.stdin.write('close\n')
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    const [code, signal] = await ended
    clearTimeout(late)
    return code ?? signal
  } finally {
    child.kill('SIGKILL')
  }
}

/** What the first message to a server asks for; nothing where it is none that begins a session. */
async function startOf(user: string): Promise<Record<string, unknown>> {
  const started = Promise.withResolvers<Record<string, unknown>>()
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', (message: Buffer) => {
      const pairs = message
        .subarray(8)
        .toString()
        .matchAll(/([^\0]+)\0([^\0]*)\0/g)
      started.resolve(Object.fromEntries([...pairs].map(([, name, value]) => [name, value])))
      socket.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const backend = kept(await connect(schema, `postgres://${user}127.0.0.1:${(server.address() as AddressInfo).port}/app`))
  await backend.ping(SHARD)
  server.close()
  return await started.promise
}
