import { setTimeout as wait } from 'node:timers/promises'
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
const LATE_MS = 120_000

/** Each life ends at one of these, with what was written before it; what it answers meanwhile is right. */
async function die(world: World, deaths: Deaths, first?: (member: Member) => Promise<void>): Promise<void> {
  for (const [nth, death] of deaths.entries()) {
    await world.append(nth === 0 ? ENTRIES : 300)
    const member = await world.start('all', death)
    const reads = new Reads(member, world.fixed)
    const ordering = nth === 0 && member.alive ? first?.(member) : undefined
    // One that doesn't come there ends otherwise.
    const late = setTimeout(() => member.signal('SIGTERM'), LATE_MS)
    const [ended] = await Promise.all([member.ended, ordering])
    clearTimeout(late)
    expect([death, ended.signal]).toEqual([death, 'SIGKILL'])
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
  expect(await member.end('SIGTERM')).toEqual({ code: 0, signal: null })
}

/** A verb whose process may end before it answers. */
async function ask(member: Member, ...order: Parameters<Member['order']>): Promise<void> {
  await member.ready()
  await Promise.race([member.order(...order), member.ended]).catch(() => member.ended)
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
      await ask(member, 'create', { to: 'other', until: 'verified' })
      await member.seesGenerations('1 serving, 2 verified')
      await ask(member, 'cancel')
    })
    await endsAs(world, '1 serving')
    expect(world.tables('other.sqlite')).toEqual(['job/dropped'])
    expect(world.files()).toEqual(['local.sqlite', 'log.sqlite', 'logfold.json', 'other.sqlite'])
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

describe.concurrent('an API process that sleeps for a minute', () => {
  it('across switch and complete holds nothing up for longer than it may be silent; woken, it answers right or 503, and brings nothing back', async () => {
    await using world = new World()
    await world.append(ENTRIES)
    const worker = await world.start('worker')
    const [api, sleeper] = await Promise.all([world.start('api'), world.start('api')])
    await Promise.all([worker, api, sleeper].map(each => each.ready()))
    expect(await api.order('create', { to: 'other' })).toMatchObject({ outcome: 'accepted' })
    for (const each of [api, sleeper]) await each.seesGenerations('1 serving, 2 verified')
    const reads = new Reads(sleeper, world.fixed)
    sleeper.signal('SIGSTOP')
    const minute = wait(61_000)
    expect(await api.order('switch')).toMatchObject({ outcome: 'accepted' })
    await api.seesGenerations('1 previous, 2 serving')
    expect(await api.order('complete')).toMatchObject({ outcome: 'accepted' })
    // Nobody knows yet that it reads no more.
    await worker.logged('leaves once nobody answers from it any more')
    expect(world.tables('local.sqlite')).toContain('job@1/identity')
    await api.seesGenerations('2 serving')
    expect(world.tables('local.sqlite')).toEqual(['job/dropped', 'job/served'])
    await world.write(api, 100)
    await minute

    const { right } = reads
    sleeper.signal('SIGCONT')
    const first = await Promise.all([...world.fixed.entries].slice(0, 20).map(([id]) => fetch(`${sleeper.url}/api/job/${id}`)))
    expect(first.filter(({ status }) => status !== 200 && status !== 503)).toEqual([])
    await sleeper.seesGenerations('2 serving')
    await world.holds(sleeper)
    await sleeper.sees('answers right', () => reads.right > right + 20)
    expect(await reads.end()).toEqual([])
    expect(world.tables('local.sqlite')).toEqual(['job/dropped', 'job/served'])
  })
})

async function keysOf({ port }: RedisServer): Promise<readonly string[]> {
  const client = new Redis({ host: '127.0.0.1', port })
  const keys = await client.keys('*')
  client.disconnect()
  return keys.toSorted()
}
