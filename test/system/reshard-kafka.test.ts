import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Broker, type KafkaCluster, startKafka } from '../services/kafka.ts'
import { type RedisServer, type RedisServers, startRedis } from '../services/redis.ts'
import { differences } from './cities.ts'
import { foldTopic } from './kafka-fold.ts'
import { type Member, phasesOf } from './reshard-member.ts'
import { Reads } from './reshard-reads.ts'
import { World } from './reshard-world.ts'

const ENTRIES = 6_000

describe('two workers and two API processes on Kafka and two Redis servers', { timeout: 150_000 }, () => {
  let kafka: KafkaCluster
  let redis: RedisServers
  let world: World
  let api: Member
  let other: Member
  let worker: Member
  let reads: Reads
  beforeAll(async () => {
    ;[kafka, redis] = await Promise.all([startKafka(), startRedis({ servers: 2 })])
    const shards = Object.fromEntries(redis.servers.map(({ address }, nth) => ['ab'[nth], `redis://${address}`]))
    world = new World({ log: { kind: 'kafka', brokers: kafka.bootstrap }, backends: { ring: { kind: 'redis', shards } }, backend: 'ring' })
    // Alone at first, so that it keeps the view.
    const keeper = await world.start('worker', 'keeper/verified')
    await Promise.all([keeper.ready(), keeper.logged('This process keeps the view')])
    ;[api, other, worker] = await Promise.all([world.start('api'), world.start('api', 'view/went-over'), world.start('worker')])
    await Promise.all([api.ready(), other.ready(), worker.ready()])
    await world.write(api, ENTRIES)
    reads = new Reads(api, world.fixed)
  })
  afterAll(async () => {
    await reads?.end()
    await world?.[Symbol.asyncDispose]()
    await Promise.all([kafka?.dispose(), redis?.dispose()])
  })

  const broker = (): Broker => {
    const [first] = kafka.brokers
    if (first === undefined) throw new Error('There is no broker')
    return first
  }
  const keysInRedis = async (): Promise<readonly (readonly string[])[]> =>
    await Promise.all(redis.servers.map(async server => (await ask(server, client => client.keys('*'))).toSorted()))

  it('whose keeper is killed between verifying and saying so: the other worker keeps the view, verifies, and goes on', async () => {
    expect(await api.order('create', { to: 'local' })).toMatchObject({ outcome: 'accepted' })
    await worker.logged('This process keeps the view')
    await api.seesGenerations('1 serving, 2 verified')
  })

  it('of which an API process is killed just as it went over: started again, it serves what the others serve', async () => {
    await other.seesGenerations('1 serving, 2 verified')
    expect(await api.order('switch')).toMatchObject({ outcome: 'accepted' })
    expect(await other.ended).toMatchObject({ signal: 'SIGKILL' })
    other = await (await world.start('api')).ready()
    for (const each of [api, other]) {
      await each.seesGenerations('1 previous, 2 serving')
      await world.holds(each)
    }
  })

  it('of which a worker sleeps while what it folds is taken away: woken, it brings nothing back', async () => {
    const sleeper = worker
    await world.write(api, 100)
    sleeper.signal('SIGSTOP')
    await world.write(api, 100)
    worker = await world.start('worker')
    await worker.logged('This process keeps the view')
    expect(await api.order('complete', { force: ['not-ready'] })).toMatchObject({ outcome: 'accepted' })
    await api.seesGenerations('2 serving')
    expect(await keysInRedis()).toEqual([['job/fence'], ['job/fence']])
    // Of one server not even the fence is left to tell it: it meets a shard that was lost.
    await ask(redis.servers[0], client => client.flushall())
    sleeper.signal('SIGCONT')
    await sleeper.seesGenerations('2 serving')
    await world.write(api, 100)
    for (const each of [api, other]) await world.holds(each)
    expect(await keysInRedis()).toEqual([[], ['job/fence']])
  })

  it('whose broker is killed and started again while reads are to go over: they do so once, everywhere, or not at all', async () => {
    expect(await api.order('create', { to: 'ring' })).toMatchObject({ outcome: 'accepted' })
    await api.seesGenerations('2 serving, 3 verified')
    // The command is on its way when it goes.
    broker().freeze()
    const asked = other.order('switch')
    await broker().kill()
    await broker().start()
    const { outcome } = await asked
    expect(['accepted', 'outcome-unknown', 'log-unavailable', 'command-refused']).toContain(outcome)
    const { generations } = await other.sees('two generations', status => /^2 (serving|previous), 3 (serving|verified)$/.test(phasesOf(status)))
    if (generations[1]?.phase === 'verified') await expect.poll(async () => (await api.order('switch')).outcome, { timeout: 60_000 }).toBe('accepted')
    for (const each of [api, other, worker]) await each.seesGenerations('2 previous, 3 serving')
    await world.write(other, 100)
    for (const each of [api, other]) await world.holds(each)
    expect(differences(await foldTopic(kafka.bootstrap, 'job'), world.expected)).toEqual([])
    expect(await reads.end()).toEqual([])
    expect(reads.right).toBeGreaterThan(50)
  })
})

async function ask<T>(server: RedisServer | undefined, question: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ host: '127.0.0.1', port: server?.port ?? 0 })
  try {
    return await question(client)
  } finally {
    client.disconnect()
  }
}
