import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RedisServer, type RedisServers, startRedis } from '../services/redis.ts'
import type { Member } from './reshard-member.ts'
import { Reads } from './reshard-reads.ts'
import { World } from './reshard-world.ts'

const ENTRIES = 6_000

describe('a view that moves between two files and a ring of two Redis servers', { timeout: 100_000 }, () => {
  let redis: RedisServers
  let world: World
  let member: Member
  let reads: Reads
  beforeAll(async () => {
    redis = await startRedis({ servers: 2 })
    const shards = Object.fromEntries(redis.servers.map(({ address }, nth) => ['ab'[nth], `redis://${address}`]))
    world = new World({ backends: { ring: { kind: 'redis', shards } } })
    await world.append(ENTRIES)
    member = await (await world.start('all')).ready()
    reads = new Reads(member, world.fixed)
  })
  afterAll(async () => {
    await reads?.end()
    await world?.[Symbol.asyncDispose]()
    await redis?.dispose()
  })

  const server = (nth: number): RedisServer => {
    const found = redis.servers[nth]
    if (found === undefined) throw new Error(`There is no server ${nth}`)
    return found
  }
  const entriesOn = async (generation: number): Promise<readonly number[]> =>
    await Promise.all(redis.servers.map(each => ask(each, client => client.scard(`job@${generation}/keys`))))

  it('loses a shard while it is built: flushed, and then killed and started again without its data: it is folded anew, and verified', async () => {
    expect(await member.order('create', { to: 'ring', until: 'ready' })).toMatchObject({ outcome: 'accepted' })
    for (const lose of [() => ask(server(0), client => client.flushall()), () => restartedEmpty(server(1))]) {
      await member.sees('has entries on both', async () => (await entriesOn(2)).every(entries => entries > 200))
      await lose()
    }
    expect(await member.order('resume', { until: 'verified' })).toMatchObject({ outcome: 'accepted' })
    const { generations } = await member.seesGenerations('1 serving, 2 verified')
    expect(generations[1]).toMatchObject({ verification: { differences: 0, void: false } })
    expect((await entriesOn(2)).reduce((sum, each) => sum + each)).toBe(world.expected.size)
  })

  it('loses a shard after it was verified: that is void, and it is verified again before reads go over', async () => {
    await member.order('resume', { until: 'ready' })
    await ask(server(1), client => client.flushall())
    const { generations } = await member.sees('is void', status => status.generations[1]?.verification?.void === true)
    expect(generations[1]).toMatchObject({ phase: 'building' })
    const refused = await member.order('switch')
    expect([refused.outcome, refused.checks.filter(check => check.startsWith('unverified')).length]).toEqual(['command-refused', 1])
    expect(await member.order('resume', { until: 'serving' })).toMatchObject({ outcome: 'accepted' })
    const { generations: after } = await member.seesGenerations('1 previous, 2 serving')
    expect(after[1]).toMatchObject({ verification: { differences: 0, void: false } })
    await world.holds(member)
    expect(await reads.end()).toEqual([])
    expect(reads.right).toBeGreaterThan(50)
  })

  it('loses a shard of what serves while another is built: nothing is answered wrong, it is folded anew, and the build goes on', async () => {
    expect(await member.order('complete')).toMatchObject({ outcome: 'accepted' })
    await member.seesGenerations('2 serving')
    reads = new Reads(member, world.fixed)
    expect(await member.order('create', { to: 'other', until: 'ready' })).toMatchObject({ outcome: 'accepted' })
    await member.sees('is begun', ({ generations }) => (generations[1]?.progress?.done ?? 0) > 200)
    await restartedEmpty(server(0))
    await member.sees('is whole again', async () => (await entriesOn(2)).reduce((sum, each) => sum + each) === world.expected.size)
    await world.write(member, 100)
    expect(await member.order('resume', { until: 'completed' })).toMatchObject({ outcome: 'accepted' })
    await member.seesGenerations('3 serving')
    await world.holds(member)
    expect(await reads.end()).toEqual([])
    expect(await Promise.all(redis.servers.map(each => ask(each, client => client.keys('*'))))).toEqual([['job/fence'], ['job/fence']])
  })
})

/** It keeps nothing on disk. */
async function restartedEmpty(server: RedisServer): Promise<void> {
  await server.kill()
  await server.start()
}

async function ask<T>({ port }: RedisServer, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ host: '127.0.0.1', port })
  try {
    return await question(client)
  } finally {
    client.disconnect()
  }
}
