import { expect, it } from 'vitest'
import { type RedisServer, startRedis } from '../services/redis.ts'
import { run } from '../services/run.ts'
import { told } from '../support/verify-world.ts'
import { writtenStore } from '../support/written-store.ts'
import { configOf, connect } from './world.ts'

it('what redis-cli did to a ring of three that is written to is found, just that, and mended; an entry on the wrong shard is taken away there', async () => {
  await using redis = await startRedis({ servers: 3 })
  const shards = new Map(redis.servers.map((server, nth) => ['abc'.charAt(nth), server]))
  const backend = await connect(configOf(Object.fromEntries([...shards].map(([name, { address }]) => [name, address]))))
  const server = (shard: string): RedisServer => {
    const found = shards.get(shard)
    if (found === undefined) throw new Error(`There is no shard ${shard}`)
    return found
  }
  const cli = async (shard: string, ...args: readonly string[]): Promise<string> =>
    (await run('redis-cli', ['-p', String(server(shard).port), ...args])).trim()
  const owner = (id: string): string => backend.owner(id)
  const other = (id: string): string => [...shards.keys()].find(shard => shard !== owner(id)) ?? ''
  try {
    await using store = await writtenStore(backend)
    const ids = ['changed', 'deleted', 'valueless', 'unlisted', 'astray'] as const
    const place = new Map<string, string>()
    for (const id of ids) place.set(id, await store.write(id, '"as written"'))
    await store.caughtUp()
    expect(told(await store.verify({ repair: false }))).toEqual([])

    await cli(owner('changed'), 'SET', 'job@1:changed', '"changed"')
    await cli(owner('deleted'), 'DEL', 'job@1:deleted')
    await cli(owner('deleted'), 'SREM', 'job@1/keys', 'deleted')
    await cli(owner('valueless'), 'DEL', 'job@1:valueless')
    await cli(owner('unlisted'), 'SREM', 'job@1/keys', 'unlisted')
    await cli(owner('ghost'), 'SET', 'job@1:ghost', '1')
    await cli(owner('ghost'), 'SADD', 'job@1/keys', 'ghost')
    await cli(other('astray'), 'SET', 'job@1:astray', '"old"')
    await cli(other('astray'), 'SADD', 'job@1/keys', 'astray')
    const lines = [
      `different changed on ${owner('changed')} at ${place.get('changed')}`,
      `extra ghost on ${owner('ghost')} at no place`,
      `missing deleted on ${owner('deleted')} at ${place.get('deleted')}`,
      `missing unlisted on ${owner('unlisted')} at ${place.get('unlisted')}`,
      `missing valueless on ${owner('valueless')} at ${place.get('valueless')}`,
      `wrong-shard astray on ${other('astray')} at ${place.get('astray')}`,
    ]
    const found = await store.verify({ repair: false })
    expect([told(found), found.phase, found.left]).toEqual([lines, 'done', 6])
    const mended = await store.verify({ repair: true })
    expect([told(mended), mended.phase, mended.left]).toEqual([lines.map(line => `${line}, repaired`), 'done', 0])
    expect(told(await store.verify({ repair: false }))).toEqual([])

    expect(await cli(other('astray'), 'EXISTS', 'job@1:astray')).toBe('0')
    expect(await cli(other('astray'), 'SISMEMBER', 'job@1/keys', 'astray')).toBe('0')
    for (const id of ids) {
      expect([await cli(owner(id), 'GET', `job@1:${id}`), await cli(owner(id), 'SISMEMBER', 'job@1/keys', id)]).toEqual(['"as written"', '1'])
    }
    await store.expectAsWritten()
  } finally {
    await backend.close()
  }
})
