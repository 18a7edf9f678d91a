import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Logger } from '../../src/model/logger.ts'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { type RedisServers, startRedis } from '../services/redis.ts'
import { quiet } from '../support/quiet.ts'
import { command } from '../support/redis-command.ts'
import { configOf, connect, fillWith } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })
const IDS = Array.from({ length: 50 }, (_, number) => `id-${number}`)

/** What was evicted is a false 404, and stays one when the server evicts no more. So the shard is lost, whoever notices when. */
describe('a server that has evicted keys', () => {
  let servers: RedisServers
  const open: ViewBackend[] = []
  const address = (): string => servers.servers[0]?.address ?? ''
  const ask = (name: string, ...args: readonly string[]): Promise<unknown> => command(address(), name, ...args)
  beforeEach(async () => {
    servers = await startRedis()
  })
  afterEach(async () => {
    for (const backend of open.splice(0)) await backend.close()
    await servers.dispose()
  })

  async function backendOf(logger: Logger = quiet, userInfo = ''): Promise<ViewBackend> {
    const backend = await connect(configOf({ a: `${userInfo}${address()}` }), logger)
    open.push(backend)
    return backend
  }

  /** These keys, and then it is as it should have been. */
  async function evict(keys: readonly string[]): Promise<void> {
    for (const key of keys) await ask('EXPIRE', key, '1000000')
    await ask('CONFIG', 'SET', 'maxmemory-policy', 'volatile-random')
    await ask('CONFIG', 'SET', 'maxmemory', '100000')
    await ask('SET', 'other', '1').catch(() => undefined)
    await ask('CONFIG', 'SET', 'maxmemory', '0')
    await ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(await ask('EXISTS', ...keys)).toBe(0)
  }

  it('is lost to a process that was there, opened again, and then good again', async () => {
    const said: string[] = []
    const backend = await backendOf({ ...quiet, warn: message => void said.push(message) })
    await fillWith(backend, generation, IDS)
    await evict(['job@1:id-1', 'job@1:id-2'])
    await backend.ping('a')
    await expect(backend.reader(generation).get(IDS)).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'lost' })
    expect(said).toEqual(['The Redis server has evicted keys: what it holds is folded again'])
    await fillWith(backend, generation, IDS)
    for (const each of [backend, await backendOf()]) {
      expect((await each.reader(generation).get(IDS)).map(textOf)).toEqual(IDS.map(id => JSON.stringify(id)))
      expect(await each.ping('a')).toBe(undefined)
      expect(await each.reader(generation).filled('a')).toBe(true)
    }
    expect(said.length).toBe(1)
    await evict(['job@1:id-1', 'job@1:id-2'])
    await backend.ping('a')
    expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'lost' })
    await backend.admin(generation).drop('a')
    expect(await ask('KEYS', 'job*')).toEqual(['job/fence'])
  })

  it.each(['open', 'drop'] as const)('is emptied of what nothing names any more: %s', async what => {
    const backend = await backendOf()
    await fillWith(backend, generation, IDS)
    await evict(['job@1/identity', 'job@1/keys', 'job@1/checkpoint/0', 'job@1/filled', 'job@1/opening'])
    await (what === 'open' ? backend.admin(generation).open('a') : backend.admin(generation).drop('a'))
    const left = what === 'drop' ? ['job/fence'] : ['job@1/checkpoint/0', 'job@1/identity', 'job@1/opening']
    expect(((await ask('KEYS', 'job*')) as string[]).toSorted()).toEqual(left)
  })

  it('is lost to a process that comes only when the server evicts no more', async () => {
    await fillWith(await backendOf(), generation, IDS)
    await evict(['job@1:id-1', 'job@1:id-2'])
    await expect((await backendOf()).reader(generation).get(IDS)).rejects.toMatchObject({ code: 'view-lost' })
  })

  it('is lost while it still evicts, so that nobody has to do more than to change the policy', async () => {
    const backend = await backendOf()
    await fillWith(backend, generation, IDS)
    await evict(['job@1:id-1', 'job@1:id-2'])
    await ask('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    expect(await backend.ping('a')).toMatchObject({
      message: expect.stringContaining('it evicts'),
      remedy: expect.stringContaining('job@1/identity'),
    })
    expect(await ask('EXISTS', 'job@1/identity')).toBe(0)
    await ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect(await backend.ping('a')).toBe(undefined)
    expect(await backend.admin(generation).open('a')).toBe('opened')
    expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'open', checkpoints: [checkpointZero] })
  })

  it('before a view was opened there is as good as another; not so when its counter begins anew', async () => {
    await ask('MSET', 'others', '1', 'more', '2')
    await evict(['others', 'more'])
    const backend = await backendOf()
    await fillWith(backend, generation, IDS)
    expect(await backend.ping('a')).toBe(undefined)
    expect(await backend.reader(generation).filled('a')).toBe(true)
    await ask('CONFIG', 'RESETSTAT')
    expect(await backend.ping('a')).toBe(undefined)
    expect(await backend.reader(generation).filled('a')).toBe(true)
  })

  it('is away for whoever may not take the identity away, until another has', async () => {
    const owner = await backendOf()
    await fillWith(owner, generation, IDS)
    await ask('ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+@read', '+@connection', '+@scripting', '+info')
    await evict(['job@1:id-1', 'job@1:id-2'])
    const reading = (await backendOf(quiet, 'reader:pw@')).reader(generation)
    await expect(reading.get(IDS)).rejects.toMatchObject({ code: 'view-unavailable', message: expect.stringContaining('may not do this') })
    await owner.ping('a')
    await fillWith(owner, generation, IDS)
    await expect.poll(async () => (await reading.get(['id-1']).catch(() => [])).map(textOf)).toEqual(['"id-1"'])
  })
})
