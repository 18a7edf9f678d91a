import { afterEach, describe, expect, it } from 'vitest'
import type { Logger } from '../../src/model/logger.ts'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { freePort } from '../services/ports.ts'
import { type RedisOptions, type RedisServer, startRedis } from '../services/redis.ts'
import { quiet } from '../support/quiet.ts'
import { command } from '../support/redis-command.ts'
import { configOf, connect, fillWith } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 2 })
const KEEPS = { appendonly: 'yes', appendfsync: 'always' }

/** Faults of one server, made for real: each is an outage that the pipeline waits for, told in words; nothing is lost, and nothing else is believed. */
describe('a server', () => {
  const cleanups: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
  })

  async function serverWith(options: RedisOptions = {}): Promise<RedisServer> {
    const { servers, dispose } = await startRedis(options)
    cleanups.push(dispose)
    const [server] = servers
    if (server === undefined) throw new Error('There is no server')
    return server
  }

  async function backendOf(address: string, logger: Logger = quiet): Promise<ViewBackend> {
    const backend = await connect(configOf({ a: address }), logger)
    cleanups.push(() => backend.close())
    return backend
  }

  const unavailable = (message: RegExp, remedy: RegExp = /./) => ({
    code: 'view-unavailable',
    message: expect.stringMatching(message),
    remedy: expect.stringMatching(remedy),
  })

  it('that is away at start keeps no process from starting, and is used when it is there', async () => {
    const server = await serverWith()
    await server.kill()
    const said: string[] = []
    const note = (message: string) => void said.push(message)
    const backend = await backendOf(server.address, { ...quiet, info: note, warn: note })
    expect(await backend.ping('a')).toMatchObject(unavailable(/^Shard a \(127\.0\.0\.1:\d+\): connection refused$/, /Start the server/))
    expect(await backend.writer(generation).checkpoints('a')).toMatchObject({ kind: 'unavailable', cause: unavailable(/refused/) })
    await expect(backend.reader(generation).get(['x'])).rejects.toMatchObject(unavailable(/refused/))
    await server.start()
    expect(await backend.ping('a')).toBe(undefined)
    await fillWith(backend, generation, ['x'])
    expect((await backend.reader(generation).get(['x'])).map(textOf)).toEqual(['"x"'])
    expect(said).toEqual(['The Redis server cannot be used', 'The Redis server answers again'])
  })

  it('killed in the middle of batches loses nothing that was applied, and takes the same batch again', { timeout: 120_000 }, async () => {
    const server = await serverWith({ config: KEEPS })
    const backend = await backendOf(server.address)
    await fillWith(backend, generation, [])
    const writer = backend.writer(generation)
    const expected = new Map<string, string>()
    let position = 0
    for (let round = 0; round < 6; round++) {
      const killing = new Promise(resolve => setTimeout(resolve, 30 + Math.random() * 120)).then(() => server.kill())
      for (let outcome = 'applied'; outcome === 'applied'; ) {
        const entries = Array.from({ length: 500 }, (_, number) => [`id-${(position * 7 + number) % 3_000}`, `${position}`] as const)
        const given = batch(
          1,
          position,
          position + 1,
          entries.map(([id, value]) => set(id, value)),
        )
        outcome = (await writer.apply('a', given)).kind
        if (outcome !== 'applied') {
          expect(outcome).toBe('unavailable')
          await killing
          await server.start()
          await expect.poll(() => backend.ping('a')).toBe(undefined)
          const again = await writer.apply('a', given)
          expect([{ kind: 'applied' }, { kind: 'elsewhere', checkpoint: at(position + 1) }]).toContainEqual(again)
        }
        for (const [id, value] of entries) expected.set(id, value)
        position++
      }
    }
    const found = await backend.reader(generation).get([...expected.keys()])
    expect(found.map(textOf)).toEqual([...expected.values()])
    expect((await backend.admin(generation).stats('a')).entries).toBe(expected.size)
    expect(await writer.checkpoints('a')).toEqual({
      kind: 'open',
      checkpoints: [checkpointZero, at(position)].map((each, number) => (number === 0 ? at(0) : each)),
    })
  })

  it('killed in the middle of a list cuts it off, and is lost when it comes back empty', async () => {
    const server = await serverWith()
    const backend = await backendOf(server.address)
    await fillWith(
      backend,
      generation,
      Array.from({ length: 3_000 }, (_, number) => `id-${number}`),
    )
    const reader = backend.reader(generation)
    const page = await reader.list({ limit: 100 })
    await server.kill()
    const goOn = () => reader.list({ limit: 100, cursor: page.cursor ?? '' })
    await expect(goOn()).rejects.toMatchObject(unavailable(/closed|reset|refused/))
    await server.start()
    await expect.poll(() => backend.ping('a')).toBe(undefined)
    await expect(reader.list({ limit: 100 })).rejects.toMatchObject({ code: 'view-lost' })
    await expect(reader.get(['id-1'])).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.writer(generation).apply('a', batch(0, 3_000, 3_001))).toEqual({ kind: 'lost' })
  })

  it('that hangs is noticed within 6 s, and a batch it carries out late is done once', { timeout: 60_000 }, async () => {
    const server = await serverWith()
    const backend = await backendOf(server.address)
    await fillWith(backend, generation, ['x'])
    const writer = backend.writer(generation)
    server.freeze()
    const started = performance.now()
    const given = batch(1, 0, 1, [set('x', '"late"')])
    expect(await writer.apply('a', given)).toMatchObject({ kind: 'unavailable', cause: unavailable(/no answer within 5 s$/, /hangs/) })
    await expect(backend.reader(generation).get(['x'])).rejects.toMatchObject(unavailable(/no answer within 5 s$/))
    expect(performance.now() - started).toBeLessThan(12_000)
    server.thaw()
    await expect.poll(() => backend.ping('a')).toBe(undefined)
    expect(await writer.apply('a', given)).toEqual({ kind: 'applied' })
    expect(await writer.apply('a', given)).toEqual({ kind: 'elsewhere', checkpoint: at(1) })
  })

  it('that is full refuses no data: it is waited for, is read meanwhile, and takes the batch when there is room', async () => {
    const server = await serverWith()
    const backend = await backendOf(server.address)
    await fillWith(backend, generation, ['x'])
    const writer = backend.writer(generation)
    const used = Number(/used_memory:(\d+)/.exec(String(await command(server.address, 'INFO', 'memory')))?.[1])
    await command(server.address, 'CONFIG', 'SET', 'maxmemory', String(used + 3_000_000))
    let position = 0
    const next = () => batch(1, position, position + 1, [set(`large-${position}`, 'x'.repeat(400_000))])
    while ((await writer.apply('a', next())).kind === 'applied') position++
    expect(position).toBeGreaterThan(0)
    expect(await writer.apply('a', next())).toMatchObject({ kind: 'unavailable', cause: unavailable(/out of memory/, /maxmemory/) })
    expect((await backend.reader(generation).get(['x'])).map(textOf)).toEqual(['"x"'])
    expect(await backend.reader(generation).vouched('a')).toEqual([1, position])
    await command(server.address, 'CONFIG', 'SET', 'maxmemory', '0')
    expect(await writer.apply('a', next())).toEqual({ kind: 'applied' })
    expect((await backend.admin(generation).stats('a')).entries).toBe(position + 2)
  })

  it('made a replica takes no writes, is read, is told of once, and is used again as a primary', async () => {
    const server = await serverWith()
    const said: string[] = []
    const note = (message: string) => void said.push(message)
    const backend = await backendOf(server.address, { ...quiet, info: note, warn: note })
    await fillWith(backend, generation, ['x'])
    await command(server.address, 'REPLICAOF', '127.0.0.1', String(await freePort()))
    const given = batch(1, 0, 1, [set('x', '"new"')])
    for (let times = 0; times < 3; times++) {
      expect(await backend.writer(generation).apply('a', given)).toMatchObject({ kind: 'unavailable', cause: unavailable(/replica/, /primary/) })
      expect(await backend.ping('a')).toMatchObject(unavailable(/replica/))
      expect((await backend.reader(generation).get(['x'])).map(textOf)).toEqual(['"x"'])
    }
    expect(said).toEqual(['The Redis server cannot be used'])
    await command(server.address, 'CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    await expect(backend.reader(generation).get(['x'])).rejects.toMatchObject(unavailable(/lost its primary/))
    await command(server.address, 'REPLICAOF', 'NO', 'ONE')
    expect(await backend.ping('a')).toBe(undefined)
    expect(await backend.writer(generation).apply('a', given)).toEqual({ kind: 'applied' })
    expect(said).toEqual(['The Redis server cannot be used', 'The Redis server answers again'])
  })

  it('that cannot save takes no writes, and is waited for', async () => {
    const server = await serverWith({ config: { save: '3600 1000000', 'enable-protected-configs': 'yes' } })
    const backend = await backendOf(server.address)
    await fillWith(backend, generation, [])
    await command(server.address, 'CONFIG', 'SET', 'dbfilename', 'no-folder.rdb')
    await command(server.address, 'CONFIG', 'SET', 'dir', '/proc')
    await command(server.address, 'BGSAVE')
    await expect.poll(async () => String(await command(server.address, 'INFO', 'persistence'))).toContain('rdb_last_bgsave_status:err')
    const given = batch(1, 0, 1, [set('x', '"new"')])
    expect(await backend.writer(generation).apply('a', given)).toMatchObject({ kind: 'unavailable', cause: unavailable(/cannot save/, /disk/) })
    await command(server.address, 'CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
    expect(await backend.writer(generation).apply('a', given)).toEqual({ kind: 'applied' })
  })

  it('that evicts is not used, by whoever reads or writes, until it does not any more', async () => {
    const server = await serverWith()
    const backend = await backendOf(server.address)
    await fillWith(backend, generation, ['x'])
    await command(server.address, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    const evicts = unavailable(/evicts: its maxmemory-policy is allkeys-lru/, /CONFIG SET maxmemory-policy noeviction/)
    expect(await backend.ping('a')).toMatchObject(evicts)
    expect(await backend.writer(generation).apply('a', batch(1, 0, 1))).toMatchObject({ kind: 'unavailable', cause: evicts })
    await expect(backend.reader(generation).get(['gone'])).rejects.toMatchObject(evicts)
    await expect(backend.admin(generation).open('a')).rejects.toMatchObject(evicts)
    await command(server.address, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(await backend.ping('a')).toBe(undefined)
    expect(await backend.writer(generation).apply('a', batch(1, 0, 1))).toEqual({ kind: 'applied' })
  })

  it('that is part of a Redis Cluster is not used', async () => {
    const server = await serverWith({ config: { 'cluster-enabled': 'yes', 'cluster-port': String(await freePort()) } })
    const backend = await backendOf(server.address)
    expect(await backend.ping('a')).toMatchObject(unavailable(/Redis Cluster/, /cluster-enabled no/))
    expect((await backend.writer(generation).checkpoints('a')).kind).toBe('unavailable')
  })

  it('that has too many connections already is waited for', async () => {
    const server = await serverWith()
    // What asks whether all is well reads, and tries what it may write.
    await command(server.address, 'CONFIG', 'SET', 'maxclients', '2')
    const holder = await backendOf(server.address)
    await expect.poll(() => holder.ping('a')).toBe(undefined)
    const backend = await backendOf(server.address)
    // The server closes at once, and what it said may go with the connection.
    await expect.poll(() => backend.ping('a')).toMatchObject(unavailable(/too many connections/, /maxclients/))
    await holder.close()
    await expect.poll(() => backend.ping('a')).toBe(undefined)
  })
})
