import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { freePort } from '../services/ports.ts'
import { type RedisServer, type RedisServers, startRedis } from '../services/redis.ts'
import { command } from '../support/redis-command.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'
import { configOf, connect, fillWith, flush } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })

/** An address that leads new connections to another server, as a virtual address or a name does. The standing ones stay where they are. */
describe('a failover behind the address', () => {
  let servers: RedisServers
  let proxy: TcpProxy
  let backend: ViewBackend
  const [former, present] = [0, 1].map(nth => (): RedisServer => {
    const server = servers.servers[nth]
    if (server === undefined) throw new Error('There is no server')
    return server
  }) as [() => RedisServer, () => RedisServer]
  beforeAll(async () => {
    servers = await startRedis({ servers: 2 })
  })
  afterAll(() => servers.dispose())
  beforeEach(async () => {
    proxy = await TcpProxy.start(former().port)
    backend = await connect(configOf({ a: proxy.address }))
    // All five connections, at least the reader's and the lister's.
    await fillWith(backend, generation, ['one'])
    await backend.reader(generation).get(['one'])
    await backend.reader(generation).list({ limit: 10 })
    // The replica that is promoted has what was written to the former, and then takes more than that.
    const direct = await connect(configOf({ a: present().address }))
    await fillWith(direct, generation, ['one'])
    await direct.close()
    proxy.targetPort = present().port
  })
  afterEach(async () => {
    await backend.close()
    await proxy.close()
    for (const { address } of servers.servers) {
      await command(address, 'REPLICAOF', 'NO', 'ONE')
      await command(address, 'CONFIG', 'SET', 'replica-serve-stale-data', 'yes')
      await flush(address)
    }
  })

  const given = batch(0, 1, 2, [set('one', '"new"'), set('two', '"new"')])
  const demote = async () => await command(former().address, 'REPLICAOF', '127.0.0.1', String(await freePort()))
  const writeElsewhere = async () => {
    const worker = await connect(configOf({ a: proxy.address }))
    expect(await worker.writer(generation).apply('a', given)).toEqual({ kind: 'applied' })
    await worker.close()
  }
  async function expectPresent(): Promise<void> {
    const reader = backend.reader(generation)
    expect(await reader.vouched('a')).toEqual([2])
    expect((await reader.get(['one', 'two'])).map(textOf)).toEqual(['"new"', '"new"'])
    expect((await reader.list({ limit: 100 })).entries.map(({ id, value }) => [id, textOf(value)]).toSorted()).toEqual([
      ['one', '"new"'],
      ['two', '"new"'],
    ])
  }

  it('is followed by a writer that the former server tells it is a replica, and by the readers with it', async () => {
    await demote()
    const writer = backend.writer(generation)
    expect(await writer.apply('a', given)).toMatchObject({ kind: 'unavailable', cause: { message: expect.stringContaining('is a replica') } })
    await expect.poll(async () => (await writer.apply('a', given)).kind).toBe('applied')
    expect(await writer.apply('a', given)).toEqual({ kind: 'elsewhere', checkpoint: at(2) })
    await expectPresent()
    expect(await backend.ping('a')).toBe(undefined)
  })

  it('is followed by a reader that the former server tells it has lost its primary', async () => {
    await writeElsewhere()
    await command(former().address, 'CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    await demote()
    await expect(backend.reader(generation).get(['one'])).rejects.toMatchObject({ message: expect.stringContaining('lost its primary') })
    await expect
      .poll(() =>
        backend
          .reader(generation)
          .vouched('a')
          .catch(() => undefined),
      )
      .toEqual([2])
    await expectPresent()
  })

  it('is followed by a process that only reads, once it has asked', async () => {
    await writeElsewhere()
    await demote()
    expect(await backend.ping('a')).toMatchObject({ message: expect.stringContaining('is a replica') })
    await expectPresent()
  })

  it('that leaves the former server standing is never read from both: what is listed is no older than what was vouched for', async () => {
    await writeElsewhere()
    // Any of the connections is made anew: of a process that wrote, say.
    await command(former().address, 'CLIENT', 'SETNAME', 'x')
    const clients = String(await command(former().address, 'CLIENT', 'LIST'))
    const ours = clients.split('\n').filter(line => line.includes('name=logfold'))
    expect(ours.length).toBeGreaterThanOrEqual(3)
    const read = ours.find(line => / cmd=mget /.test(line)) ?? ''
    await command(former().address, 'CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(read)?.[1] ?? '')
    const reader = backend.reader(generation)
    await expect.poll(() => reader.vouched('a').catch(() => undefined)).toEqual([2])
    await expectPresent()
  })
})
