import { Redis } from 'ioredis'
import { describe, expect, it } from 'vitest'
import { query } from '../postgres/world.ts'
import { startPostgres } from '../services/postgres.ts'
import { type RedisServer, startRedis } from '../services/redis.ts'
import type { Member } from './reshard-member.ts'
import { beginning, building, cancelling, type Deaths, leavingPostgres, leavingRedis } from './reshard-points.ts'
import { Reads } from './reshard-reads.ts'
import { World } from './reshard-world.ts'

/** More than a drop deletes in one step. */
const ENTRIES = 12_000

/** Each life ends at one of these, with what was written before it; what it answers meanwhile is right. */
async function die(world: World, deaths: Deaths, first?: (member: Member) => Promise<void>): Promise<void> {
  for (const [nth, death] of deaths.entries()) {
    await world.append(nth === 0 ? ENTRIES : 300)
    const member = await world.start('all', death)
    const reads = new Reads(member, world.fixed)
    const ordering = nth === 0 && member.running ? first?.(member) : undefined
    const [ended] = await Promise.all([member.ended(), ordering])
    expect([death, ended]).toEqual([death, 'SIGKILL'])
    expect([death, await reads.end()]).toEqual([death, []])
  }
}

/** Ends where nothing is left to do, and the view is what was written. */
async function endsAs(world: World, generations: string): Promise<void> {
  const member = await world.start('all')
  const reads = new Reads(member, world.fixed)
  await member.seesGenerations(generations)
  await world.holds(member)
  expect(await reads.end()).toEqual([])
  expect(reads.right).toBeGreaterThan(0)
  expect(await member.end('SIGTERM')).toBe(0)
}

/** A verb whose process may end before it answers. */
async function ask(member: Member, ...order: Parameters<Member['order']>): Promise<void> {
  await member.ready()
  await Promise.race([member.order(...order), member.ended()]).catch(() => member.ended())
}

describe.concurrent('a process that is killed again and again, at each step,', () => {
  it('before its view has a generation', async () => {
    await using world = new World()
    await die(world, beginning)
    await endsAs(world, '1 serving')
  })

  it('while another generation is built, verified, switched to, and the one before goes', async () => {
    await using world = new World()
    await die(world, building, member => ask(member, 'create', { to: 'other', until: 'completed' }))
    await endsAs(world, '2 serving')
    expect(world.tables('local.sqlite')).toEqual(['job/dropped', 'job/served'])
    expect(world.tables('other.sqlite')).toEqual(['job', 'job/served', 'job@2', 'job@2/checkpoint', 'job@2/identity'])
  })

  it('while what was built is cancelled, leaves nothing of it', async () => {
    await using world = new World()
    await die(world, cancelling, async member => {
      await ask(member, 'create', { to: 'other', until: 'ready' })
      await member.sees('is filled', ({ generations }) => generations[1]?.shards[0]?.state === 'up')
      await ask(member, 'cancel')
    })
    await endsAs(world, '1 serving')
    expect(world.tables('other.sqlite')).toEqual(['job/dropped'])
    expect(world.tables('local.sqlite')).toEqual(['job', 'job/served', 'job@1', 'job@1/checkpoint', 'job@1/identity'])
  })

  it('while reads go over, and a ring of two Redis servers is left', async () => {
    await using redis = await startRedis({ servers: 2 })
    const shards = Object.fromEntries(redis.servers.map(({ address }, nth) => ['ab'[nth], `redis://${address}`]))
    await using world = new World({ backends: { ring: { kind: 'redis', shards } }, backend: 'ring' })
    await die(world, leavingRedis, member => ask(member, 'create', { to: 'local', until: 'completed' }))
    await endsAs(world, '2 serving')
    expect(await Promise.all(redis.servers.map(keysOf))).toEqual([['job/fence'], ['job/fence']])
  })

  it('while Postgres is left', async () => {
    await using postgres = await startPostgres()
    await using world = new World({ backends: { pg: { kind: 'postgres', url: postgres.url } }, backend: 'pg' })
    await die(world, leavingPostgres, member => ask(member, 'create', { to: 'local', until: 'completed' }))
    await endsAs(world, '2 serving')
    const rowsOf = async (table: string): Promise<unknown> => (await query(`SELECT count(*) FROM logfold."${table}"`, postgres.url))[0]?.count
    const named = await query(`SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'logfold'::regnamespace`, postgres.url)
    const rows = await Promise.all(named.map(async ({ relname }) => [relname, Number(await rowsOf(String(relname)))]))
    expect(Object.fromEntries(rows)).toEqual({ '@checkpoint': 0, '@fence': 1, '@format': 1, '@grants': 1, '@identity': 0 })
  })
})

async function keysOf({ port }: RedisServer): Promise<readonly string[]> {
  const client = new Redis({ host: '127.0.0.1', port })
  const keys = await client.keys('*')
  client.disconnect()
  return keys.toSorted()
}
