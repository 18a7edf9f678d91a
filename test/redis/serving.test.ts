import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ViewAdmin, ViewBackend } from '../../src/model/view-backend.ts'
import { generationOf } from '../contract/backend/store.ts'
import { type RedisServers, startRedis } from '../services/redis.ts'
import { command } from '../support/redis-command.ts'
import { command1, command2, configOf, connect, dropAll, fillWith, serveAll } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })
const SHOWN = { filled: true, shown: true }
const NOT_SHOWN = { filled: true, shown: false }

/** For people: which generation serves, on each shard. */
describe('the key job/serving', () => {
  let servers: RedisServers
  let backend: ViewBackend
  let admin: ViewAdmin
  beforeEach(async () => {
    servers = await startRedis({ servers: 2 })
    const [a = '', b = ''] = servers.servers.map(({ address }) => address)
    backend = await connect(configOf({ a, b }))
    admin = backend.admin(generation)
    await fillWith(backend, generation, ['one'])
  })
  afterEach(async () => {
    await backend.close()
    await servers.dispose()
  })

  const ask = (nth: number, name: string, ...args: readonly string[]): Promise<unknown> => command(servers.servers[nth]?.address ?? '', name, ...args)
  const marks = async (): Promise<unknown> => [await admin.marks('a'), await admin.marks('b')]
  const shown = (): Promise<unknown> => Promise.all([0, 1].map(nth => ask(nth, 'GET', 'job/serving')))

  it('is written on the shard alone that is told', async () => {
    expect(await marks()).toEqual([NOT_SHOWN, NOT_SHOWN])
    expect(await admin.serve('b', command1)).toBe('shown')
    expect(await shown()).toEqual([null, 'job@1'])
    expect(await marks()).toEqual([NOT_SHOWN, SHOWN])
    expect(await admin.serve('a', command1)).toBe('shown')
    expect(await marks()).toEqual([SHOWN, SHOWN])
  })

  it('is told to be missing on a shard that came back from a snapshot without it, and written again by the same command', async () => {
    await ask(0, 'SAVE')
    await serveAll(backend, generation)
    await servers.servers[0]?.kill()
    await servers.servers[0]?.start()
    await expect.poll(() => marks().catch(String)).toEqual([NOT_SHOWN, SHOWN])
    await serveAll(backend, generation)
    expect(await shown()).toEqual(['job@1', 'job@1'])
  })

  it('is told to be missing where somebody deleted it, or made it something else than a text, and written again', async () => {
    for (const take of [
      () => ask(1, 'DEL', 'job/serving'),
      () => ask(1, 'EVAL', "redis.call('DEL', KEYS[1]) redis.call('SADD', KEYS[1], 'x')", '1', 'job/serving'),
    ]) {
      await serveAll(backend, generation)
      await take()
      expect(await marks()).toEqual([SHOWN, NOT_SHOWN])
      expect(await admin.serve('b', command1)).toBe('shown')
      expect(await shown()).toEqual(['job@1', 'job@1'])
    }
  })

  it.each([
    ['job@1', SHOWN],
    ['job@2', NOT_SHOWN],
    ['job@12', NOT_SHOWN],
    ['job@02', SHOWN],
    ['job@2 ', SHOWN],
    ['jobs@2', SHOWN],
    ['ajob@2', SHOWN],
    ['', SHOWN],
  ])('has to be written where it names another generation of the view; anything else is somebody’s own: %j', async (text, expected) => {
    await ask(0, 'SET', 'job/serving', text)
    expect(await admin.marks('a')).toEqual(expected)
  })

  it('outlasts the drop of another generation, and is left where it is somebody’s own', async () => {
    const next = generationOf({ number: 2 })
    await fillWith(backend, next, [])
    await serveAll(backend, generation, command1)
    await admin.serve('a', command1)
    await backend.admin(next).serve('a', command2)
    await ask(1, 'SET', 'job/serving', 'somebody’s own')
    await dropAll(backend, generation)
    expect(await shown()).toEqual(['job@2', 'somebody’s own'])
    await dropAll(backend, next)
    expect(await shown()).toEqual([null, 'somebody’s own'])
  })
})
