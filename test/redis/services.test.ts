import { describe, expect, it } from 'vitest'
import { ask } from '../services/ask.ts'
import { startElsewhere } from '../services/elsewhere.ts'
import { sharedRedis, startRedis } from '../services/redis.ts'
import { checkRedis } from '../services/redis-cluster.ts'

const say = async (address: string, command: string): Promise<string> =>
  (await ask(address, Buffer.from(`${command}\r\n`), bytes => bytes.toString().endsWith('\r\n'))).toString()

describe('the shared Redis', () => {
  it('is several servers that know nothing of each other', { tags: ['containers'] }, async () => {
    const key = `services-${crypto.randomUUID()}`
    const [first = '', ...others] = sharedRedis()
    expect(await say(first, `SET ${key} a`)).toBe('+OK\r\n')
    expect(await say(first, `GET ${key}`)).toBe('$1\r\na\r\n')
    for (const other of others) expect(await say(other, `EXISTS ${key}`)).toBe(':0\r\n')
    expect(await say(first, `DEL ${key}`)).toBe(':1\r\n')
  })
})

describe('a Redis that cannot be had', () => {
  it('is named, with what to do', async () => {
    expect(await startElsewhere('redis', { PATH: '/nothing-is-here', LOGFOLD_TEST_SERVICES: 'native' })).toBe(
      'The tests need Redis, and can’t have it: there is no redis-server on PATH. ' +
        'Set LOGFOLD_TEST_REDIS=host:port[,host:port], or start a container engine, or install redis-server.',
    )
  })
})

describe('a Redis of a test’s own', () => {
  it.each([
    ['without its data', 'no', '$-1\r\n'],
    ['with its data, where it appends', 'yes', '$1\r\na\r\n'],
  ])('is killed, and started again on its port %s', async (_, appendonly, kept) => {
    await using redis = await startRedis({ config: { appendonly, appendfsync: 'always' } })
    const [server] = redis.servers
    if (server === undefined) throw new Error('A server was started')
    await say(server.address, 'SET key a')
    await server.kill()
    await expect(checkRedis(server.address)).rejects.toThrow('ECONNREFUSED')
    await server.start()
    expect(await say(server.address, 'GET key')).toBe(kept)
  })

  it('answers nothing while it is frozen', async () => {
    await using redis = await startRedis()
    const [server] = redis.servers
    if (server === undefined) throw new Error('A server was started')
    server.freeze()
    await expect(checkRedis(server.address)).rejects.toThrow('gave no answer in 2000 ms')
    server.thaw()
    await checkRedis(server.address)
  })
})
