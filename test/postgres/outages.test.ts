import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { PostgresBackend } from '../../backends/postgres/backend.ts'
import { waits } from '../../backends/postgres/session.ts'
import type { Logger } from '../../src/model/logger.ts'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { type PostgresServer, startPostgres } from '../services/postgres.ts'
import { quiet } from '../support/quiet.ts'
import { proxyTo } from './proxy.ts'
import { configOf, connect, newSchema, query, SHARD } from './world.ts'

/** A server that is away, or says no. Each case has a schema of its own on one server that they may stop. */

const generation = generationOf()
let server: PostgresServer
let backends: ViewBackend[] = []
let clients: pg.Client[] = []

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.dispose())
afterEach(async () => {
  for (const client of clients) await client.end()
  for (const backend of backends) await backend.close()
  backends = []
  clients = []
})

async function connected(schema: string, url = server.url, logger = quiet): Promise<ViewBackend> {
  const backend = await connect(schema, url, logger)
  backends.push(backend)
  return backend
}

/** A backend with one entry, folded and filled. */
async function filled(schema: string, url = server.url): Promise<ViewBackend> {
  const backend = await connected(schema, url)
  expect(await backend.admin(generation).open(SHARD)).toBe('opened')
  expect(await backend.writer(generation).apply(SHARD, batch(0, 0, 1, [set('one', '1')]))).toEqual({ kind: 'applied' })
  await markFilled(backend.admin(generation), SHARD)
  return backend
}

/** Another session, which holds what this statement locks. */
async function holding(sql: string): Promise<pg.Client> {
  const client = new pg.Client(server.url)
  clients.push(client)
  await client.connect()
  await client.query('BEGIN')
  await client.query(sql)
  return client
}

const applyOf = (backend: ViewBackend, position: number, id = 'two') =>
  backend.writer(generation).apply(SHARD, batch(0, position, position + 1, [set(id, '2')]))
const readOf = async (backend: ViewBackend, ...ids: readonly string[]) => (await backend.reader(generation).get(ids)).map(textOf)

async function untilWaiting(schema: string): Promise<void> {
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%"${schema}"%'`
  await expect.poll(async () => (await query(waiting, server.url)).length, { timeout: 5_000, interval: 20 }).toBe(1)
}

const terminate = (schema: string): Promise<unknown> =>
  query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%"${schema}"%' AND application_name = 'logfold'`, server.url)

describe('a session that ends', () => {
  it('in the middle of apply: unavailable, nothing is half done, and the batch may be repeated', async () => {
    const schema = newSchema()
    const backend = await filled(schema)
    const holder = await holding(`LOCK TABLE "${schema}"."job@1" IN SHARE MODE`)
    const applying = applyOf(backend, 1)
    await untilWaiting(schema)
    await terminate(schema)
    expect(await applying).toMatchObject({ kind: 'unavailable', cause: { code: 'view-unavailable', cause: { code: '57P01' } } })
    await holder.query('COMMIT')
    expect(await backend.writer(generation).checkpoints(SHARD)).toEqual({ kind: 'open', checkpoints: [at(1), checkpointZero, checkpointZero] })
    expect(await readOf(backend, 'one', 'two')).toEqual(['1', undefined])
    expect(await applyOf(backend, 1)).toEqual({ kind: 'applied' })
    expect(await readOf(backend, 'one', 'two')).toEqual(['1', '2'])
  })

  it('in the middle of a list: unavailable, never a short page', async () => {
    const schema = newSchema()
    const backend = await filled(schema)
    const holder = await holding(`LOCK TABLE "${schema}"."job@1" IN ACCESS EXCLUSIVE MODE`)
    const listing = backend.reader(generation).list({ limit: 10 })
    const failed = expect(listing).rejects.toMatchObject({ code: 'view-unavailable' })
    await untilWaiting(schema)
    await terminate(schema)
    await failed
    await holder.query('COMMIT')
    expect((await backend.reader(generation).list({ limit: 10 })).entries.map(({ id }) => id)).toEqual(['one'])
  })

  it('by the way, while the server goes on and commits: the repeated batch finds the checkpoint ahead', async () => {
    const schema = newSchema()
    const proxy = await proxyTo(server.url)
    try {
      const backend = await filled(schema, proxy.url)
      const holder = await holding(`LOCK TABLE "${schema}"."job@1" IN SHARE MODE`)
      const applying = applyOf(backend, 1)
      await untilWaiting(schema)
      proxy.cut()
      expect((await applying).kind).toBe('unavailable')
      await holder.query('COMMIT')
      proxy.mend()
      await expect.poll(() => backend.writer(generation).checkpoints(SHARD)).toMatchObject({ checkpoints: [at(2), {}, {}] })
      expect(await applyOf(backend, 1)).toEqual({ kind: 'elsewhere', checkpoint: at(2) })
      expect(await readOf(backend, 'two')).toEqual(['2'])
    } finally {
      await proxy.close()
    }
  })
})

describe('a server that stops', () => {
  it('by kill -9, and starts again: nothing that was acknowledged is lost, and the operator is told once', async () => {
    const schema = newSchema()
    const said: string[] = []
    const logger: Logger = { ...quiet, info: message => void said.push(message), warn: message => void said.push(message) }
    await filled(schema)
    const backend = await connected(schema, server.url, logger)
    const acknowledged: number[] = []
    let position = 1
    const killing = new Promise(resolve => setTimeout(resolve, 150)).then(() => server.kill())
    for (;;) {
      const outcome = await applyOf(backend, position, `id-${position}`)
      if (outcome.kind !== 'applied') break
      acknowledged.push(position++)
    }
    await killing
    expect(await applyOf(backend, position)).toMatchObject({ kind: 'unavailable', cause: { message: expect.stringContaining('ECONNREFUSED') } })
    await expect(readOf(backend, 'one')).rejects.toMatchObject({ code: 'view-unavailable' })
    expect(await backend.ping(SHARD)).toMatchObject({ code: 'view-unavailable' })
    await server.start()
    await expect.poll(() => backend.ping(SHARD)).toBe(undefined)
    expect(acknowledged.length).toBeGreaterThan(3)
    const values = await readOf(backend, ...acknowledged.map(each => `id-${each}`))
    expect(values).toEqual(acknowledged.map(() => '2'))
    const outcome = await applyOf(backend, position, `id-${position}`)
    expect([{ kind: 'applied' }, { kind: 'elsewhere', checkpoint: at(position + 1) }]).toContainEqual(outcome)
    expect(said).toEqual(['Postgres does not answer', 'Postgres answers again'])
  })

  it('does not keep the process from starting', async () => {
    const schema = newSchema()
    await server.stop()
    const backend = await connected(schema)
    expect((await applyOf(backend, 0)).kind).toBe('unavailable')
    await server.start()
    await expect.poll(async () => (await backend.writer(generation).checkpoints(SHARD)).kind).toBe('lost')
    expect(await backend.admin(generation).open(SHARD)).toBe('opened')
  })

  it('answering, its connections open: unavailable after the time limits, to those who wait for a connection, too', async () => {
    const schema = newSchema()
    await filled(schema)
    const short = { ...waits, connectMs: 300, statementMs: { read: 300, write: 300, admin: 300 }, silenceMs: 100 }
    const backend = new PostgresBackend(configOf(schema, server.url), quiet, short)
    backends.push(backend)
    expect(await readOf(backend, 'one')).toEqual(['1'])
    expect(await applyOf(backend, 1)).toEqual({ kind: 'applied' })
    server.freeze()
    const started = performance.now()
    const outcomes = await Promise.allSettled([applyOf(backend, 2), ...Array.from({ length: 20 }, () => readOf(backend, 'one'))])
    expect(performance.now() - started).toBeLessThan(2_500)
    expect(outcomes[0]).toMatchObject({ status: 'fulfilled', value: { kind: 'unavailable' } })
    for (const outcome of outcomes.slice(1)) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'view-unavailable' } })
    server.thaw()
    await expect.poll(() => backend.ping(SHARD)).toBe(undefined)
    expect(await readOf(backend, 'one')).toEqual(['1'])
  })
})

describe('a server that says no', () => {
  it('to a wrong password, or has no such database: waited for, with what to do', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'logfold-hba-'))
    chmodSync(folder, 0o755)
    writeFileSync(join(folder, 'hba'), 'host all keyed all scram-sha-256\nhost all all all trust\n', { mode: 0o644 })
    try {
      await using own = await startPostgres({ config: { hba_file: join(folder, 'hba') } })
      await query(`CREATE ROLE keyed LOGIN PASSWORD 'right one%'`, own.url)
      const url = (userInfo: string, database: string) => `postgres://${userInfo}@127.0.0.1:${own.port}/${database}`
      const pingOf = async (address: string) => (await connected('s', address)).ping(SHARD)
      expect(await pingOf(url('keyed:wrong', 'postgres'))).toMatchObject({
        code: 'view-unavailable',
        cause: { code: '28P01' },
        remedy: expect.stringContaining('password'),
      })
      expect(await pingOf(url('postgres', 'none'))).toMatchObject({
        code: 'view-unavailable',
        cause: { code: '3D000' },
        remedy: expect.stringContaining('createdb'),
      })
      expect(await pingOf(url('keyed:right%20one%25', 'postgres'))).toMatchObject({
        message: 'The user keyed may not make what is missing in the schema s of the database postgres',
        remedy: 'As the database’s owner: CREATE SCHEMA s AUTHORIZATION keyed',
      })
      const keyed = await connected('s', url('keyed:right%20one%25', 'postgres'))
      await expect(keyed.admin(generation).open(SHARD)).rejects.toMatchObject({ code: 'view-unavailable', cause: { code: '42501' } })
      await query('CREATE SCHEMA s', own.url)
      expect(await keyed.ping(SHARD)).toMatchObject({ remedy: 'As the schema’s owner: GRANT USAGE, CREATE ON SCHEMA s TO keyed' })
      expect(await (await connected('user', url('keyed:right%20one%25', 'postgres'))).ping(SHARD)).toMatchObject({
        remedy: 'As the database’s owner: CREATE SCHEMA "user" AUTHORIZATION keyed',
      })
      await query('GRANT USAGE, CREATE ON SCHEMA s TO keyed', own.url)
      expect(await keyed.ping(SHARD)).toBe(undefined)
      expect(await keyed.admin(generation).open(SHARD)).toBe('opened')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('to more connections than it has: unavailable, with what to do', async () => {
    await using own = await startPostgres({ config: { max_connections: '4', superuser_reserved_connections: '1' } })
    await query('CREATE ROLE plain LOGIN SUPERUSER', own.url)
    const schema = newSchema()
    const backend = await filled(schema, own.url)
    await query('ALTER ROLE plain NOSUPERUSER', own.url)
    const others = await Promise.all(
      Array.from({ length: 2 }, async () => {
        const client = new pg.Client(own.url)
        await client.connect().catch(() => undefined)
        return client
      }),
    )
    const second = await connected(schema, own.url.replace('postgres@', 'plain@'))
    expect(await second.ping(SHARD)).toMatchObject({
      code: 'view-unavailable',
      cause: { code: '53300' },
      remedy: expect.stringContaining('max_connections'),
    })
    for (const client of others) await client.end().catch(() => undefined)
    await backend.close()
  })

  it('to writes, as a standby does: applies wait, reads go on, ping says so, and it is told once', async () => {
    const schema = newSchema()
    const said: string[] = []
    const note = (message: string) => void said.push(message)
    await filled(schema)
    const backend = await connected(schema, server.url, { ...quiet, info: note, warn: note })
    await query('ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()', server.url).catch(async () => {
      await query('ALTER SYSTEM SET default_transaction_read_only = on', server.url)
      await query('SELECT pg_reload_conf()', server.url)
    })
    await expect.poll(async () => (await applyOf(backend, 1)).kind).toBe('unavailable')
    expect(await applyOf(backend, 1)).toMatchObject({
      kind: 'unavailable',
      cause: { cause: { code: '25006' }, remedy: expect.stringContaining('primary') },
    })
    expect(await readOf(backend, 'one')).toEqual(['1'])
    expect(await backend.ping(SHARD)).toMatchObject({
      code: 'view-unavailable',
      message: 'The server takes no writes: default_transaction_read_only is on',
      remedy: expect.stringContaining('ALTER DATABASE postgres RESET default_transaction_read_only'),
    })
    expect((await applyOf(backend, 1)).kind).toBe('unavailable')
    expect(said).toEqual(['Postgres does not answer'])
    await query('ALTER SYSTEM RESET default_transaction_read_only', server.url)
    await query('SELECT pg_reload_conf()', server.url)
    await expect.poll(() => applyOf(backend, 1)).toEqual({ kind: 'applied' })
    expect(said).toEqual(['Postgres does not answer', 'Postgres answers again'])
  })

  it('to data, by somebody’s trigger: refused, and neither ops nor checkpoint are written', async () => {
    const schema = newSchema()
    const backend = await filled(schema)
    await query(
      `SET search_path = "${schema}"; CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not two'; END $$;
      CREATE TRIGGER no BEFORE INSERT ON "job@1" FOR EACH ROW WHEN (NEW.key = 'two') EXECUTE FUNCTION no()`,
      server.url,
    )
    const outcome = await backend.writer(generation).apply(SHARD, batch(0, 1, 4, [set('three', '3'), set('two', '2')]))
    expect(outcome).toMatchObject({ kind: 'refused', cause: { code: 'store-refused', message: `127.0.0.1:${server.port}/postgres: not two` } })
    expect(await readOf(backend, 'one', 'two', 'three')).toEqual(['1', undefined, undefined])
    expect(await backend.writer(generation).checkpoints(SHARD)).toMatchObject({ checkpoints: [at(1), checkpointZero, checkpointZero] })
  })

  it('to an encoding that cannot hold every id: said by ping and by open', async () => {
    await query(`CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0`, server.url)
    const backend = await connected('s', server.url.replace(/postgres$/, 'ascii'))
    const fault = {
      code: 'config-invalid',
      message: expect.stringContaining('SQL_ASCII'),
      remedy: expect.stringContaining('createdb --encoding UTF8'),
    }
    expect(await backend.ping(SHARD)).toMatchObject(fault)
    await expect(backend.admin(generation).open(SHARD)).rejects.toMatchObject(fault)
  })
})
