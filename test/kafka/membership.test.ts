import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Membership, Topic } from '../../src/model/log.ts'
import { type KafkaCluster, sharedKafka, startKafka } from '../services/kafka.ts'
import { TestMember } from './group-members.ts'
import { makeWorld, Network, newName, type World } from './group-world.ts'

const SESSION_TIMEOUT_MS = 10_000

/** Joins the group that has the topic's name. */
function join({ memberships }: World, topic: Topic): { readonly member: TestMember; readonly membership: Membership } {
  const member = new TestMember()
  return { member, membership: memberships.join(topic.name, topic, member) }
}

/** Settles once every partition has exactly one owner among the members, and counts differ by one at most. */
async function shared(partitions: number, members: readonly TestMember[]): Promise<void> {
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  const isShared = (): boolean => {
    const owned = members.flatMap(member => member.partitions).sort((a, b) => a - b)
    const counts = members.map(({ has }) => has.size)
    return Math.max(...counts) - Math.min(...counts) <= 1 && owned.join() === all.join()
  }
  while (!isShared()) await Promise.race(members.map(member => member.next()))
}

/** Kafka's numbers of requests. */
const [FETCH, HEARTBEAT] = ['1', '12']

/** Settles when so many more were sent. */
async function heartbeats(network: Network, count: number): Promise<void> {
  const sent = (): number => network.said.filter(apiKey => apiKey === HEARTBEAT).length
  const wanted = sent() + count
  await network.until(() => sent() >= wanted)
}

/** A member in a process of its own. */
function joinInChild(brokers: string, topic: Topic): { readonly child: ChildProcess; readonly told: AsyncIterator<string> } {
  const child = spawn(process.execPath, ['--disable-warning=TimeoutNegativeWarning', 'test/kafka/member-child.ts', brokers, JSON.stringify(topic)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return { child, told: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

describe('a group', () => {
  it('of one gives it every partition, and has nobody after it left', async () => {
    const world = makeWorld(sharedKafka())
    const topic = await world.topic(6)
    expect(await world.memberships.members(topic.name)).toBe(0)
    const { member, membership } = join(world, topic)
    await shared(6, [member])
    expect(await world.memberships.members(topic.name)).toBe(1)
    await membership.leave()
    expect(member.said).toEqual(['assigned 0,1,2,3,4,5', 'revoked 0,1,2,3,4,5'])
    expect(await world.memberships.members(topic.name)).toBe(0)
    expect(world.logger.said.filter(line => line.startsWith('warn'))).toEqual([])
  })

  it('takes from each member no more than the next one gets', async () => {
    const world = makeWorld(sharedKafka())
    const topic = await world.topic(6)
    const first = join(world, topic)
    await shared(6, [first.member])
    const second = join(world, topic)
    await shared(6, [first.member, second.member])
    const third = join(world, topic)
    await shared(6, [first.member, second.member, third.member])
    expect(first.member.said).toEqual(['assigned 0,1,2,3,4,5', 'revoked 3,4,5', 'revoked 2'])
    expect(second.member.said).toEqual(['assigned 3,4,5', 'revoked 5'])
    expect(third.member.said).toEqual(['assigned 2,5'])
    await second.membership.leave()
    await shared(6, [first.member, third.member])
    expect(first.member.said.slice(3)).toEqual([expect.stringMatching(/^assigned [34]$/)])
    expect(third.member.said.slice(1)).toEqual([expect.stringMatching(/^assigned [34]$/)])
  })

  it('is kept by heartbeats, and nothing is read', async () => {
    const network = new Network()
    const world = makeWorld(sharedKafka(), { socketFactory: network.socketFactory })
    const topic = await world.topic(2)
    const producer = world.client.session().kafka.producer()
    await producer.connect()
    await producer.send({ topic: topic.name, messages: [0, 1].map(partition => ({ partition, key: 'k', value: 'v' })) })
    await producer.disconnect()
    const { member } = join(world, topic)
    await shared(2, [member])
    await heartbeats(network, 3)
    expect(network.said).not.toContain(FETCH)
  })

  it('with more members than partitions leaves some without', async () => {
    const world = makeWorld(sharedKafka())
    const topic = await world.topic(1)
    const [first, second] = [join(world, topic), join(world, topic)]
    await Promise.race([first.member.next(), second.member.next()])
    await shared(1, [first.member, second.member])
    const [owner, spare] = first.member.has.size === 1 ? [first, second] : [second, first]
    await owner.membership.leave()
    await shared(1, [spare.member])
    expect(owner.member.said).toEqual(['assigned 0', 'revoked 0'])
    expect(spare.member.said).toEqual(['assigned 0'])
  })

  it('gives a killed process’s partitions to the others when its session has timed out', async () => {
    const world = makeWorld(sharedKafka())
    const topic = await world.topic(4)
    const { child, told } = joinInChild(sharedKafka(), topic)
    expect((await told.next()).value).toBe('assigned 0,1,2,3')
    const { member } = join(world, topic)
    await member.until(() => member.has.size === 2)
    const killedMs = performance.now()
    child.kill('SIGKILL')
    await shared(4, [member])
    const tookMs = performance.now() - killedMs
    expect(tookMs).toBeGreaterThan(SESSION_TIMEOUT_MS - 3_000)
    expect(tookMs).toBeLessThan(SESSION_TIMEOUT_MS + 5_000)
    expect(member.said).toEqual(['assigned 2,3', 'assigned 0,1'])
  })

  it('gives each partition one owner after a storm of joins and leaves', async () => {
    const worlds = [makeWorld(sharedKafka()), makeWorld(sharedKafka())]
    const topic = await (worlds[0] as World).topic(13)
    const stay: TestMember[] = []
    const leaving: Promise<void>[] = []
    for (let at = 0; at < 12; at++) {
      const { member, membership } = join(worlds[at % 2] as World, topic)
      // A third stays. Of the others, some leave before they are members.
      if (at % 3 === 0) stay.push(member)
      else if (at % 3 === 1) leaving.push(membership.leave())
      else leaving.push(member.next().then(() => membership.leave()))
    }
    await Promise.all(leaving)
    await shared(13, stay)
  })

  it('is joined when the topic is there at last', async () => {
    const world = makeWorld(sharedKafka())
    const spec = { name: newName(), partitions: 2, replication: -1, create: true }
    const { member } = join(world, { ...spec, id: '', recordBytesMax: 1 })
    await world.logger.until(() => world.logger.said.length > 0)
    await world.topics.ensureTopic(spec)
    await shared(2, [member])
    expect(world.logger.said).toEqual([
      'warn: Not in the group; trying on. Partitions stay as they are',
      'info: Made a topic',
      'info: In the group again',
    ])
  })

  it('is told apart from one that belongs to somebody else: then the member fails', async () => {
    const world = makeWorld(sharedKafka())
    const topic = await world.topic(2)
    const other = world.client.session().kafka.consumer({ groupId: topic.name })
    await other.connect()
    await other.subscribe({ topics: [topic.name] })
    const joined = new Promise(resolve => other.on('consumer.group_join', resolve))
    await other.run({ eachBatch: async () => undefined })
    await joined
    const { member } = join(world, topic)
    await member.until(() => member.failure !== undefined)
    expect(member.failure).toMatchObject({ code: 'log-unavailable', remedy: expect.stringMatching(/^Somebody else uses a group of this name/) })
    await other.disconnect()
  })
})

describe('while Kafka is away', () => {
  let kafka: KafkaCluster
  const broker = (): KafkaCluster['brokers'][number] => {
    const [only] = kafka.brokers
    if (only === undefined) throw new Error('no broker')
    return only
  }
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka.dispose())

  it('a member keeps what it has; it is told what changed when Kafka is back', async () => {
    const world = makeWorld(kafka.bootstrap)
    const topic = await world.topic(4)
    const { member } = join(world, topic)
    await shared(4, [member])
    await broker().kill()
    // kafkajs gives up after some seconds; then our own tries begin.
    await world.logger.until(() => world.logger.said.some(line => line.startsWith('warn')))
    expect(await world.memberships.members(topic.name)).toBeUndefined()
    await broker().start()
    await world.logger.until(() => world.logger.said.includes('info: In the group again'))
    expect(member.said).toEqual(['assigned 0,1,2,3'])
    const second = join(world, topic)
    await shared(4, [member, second.member])
    expect(member.said).toEqual(['assigned 0,1,2,3', 'revoked 2,3'])
    expect(world.logger.said.slice(1)).toEqual(['warn: Not in the group; trying on. Partitions stay as they are', 'info: In the group again'])
  })

  it('a member that was paused while another took over is told so when it goes on', async () => {
    const network = new Network()
    const world = makeWorld(kafka.bootstrap, { socketFactory: network.socketFactory })
    const topic = await world.topic(2)
    const { child, told } = joinInChild(kafka.bootstrap, topic)
    expect((await told.next()).value).toBe('assigned 0,1')
    child.kill('SIGSTOP')
    const { member } = join(world, topic)
    await shared(2, [member])
    // The second is sent when the first was answered: then the member knows the generation its claim is of.
    await heartbeats(network, 2)
    child.kill('SIGCONT')
    await member.until(() => member.has.size === 1)
    // The other's claim is the later one, and who gives up keeps the lowest.
    expect((await told.next()).value).toBe('revoked 0')
    expect(member.said).toEqual(['assigned 0,1', 'revoked 1'])
  })

  it.each(['kill', 'freeze'] as const)('leaving takes 3 s at most, and keeps no process (%s)', async how => {
    const world = makeWorld(kafka.bootstrap)
    const topic = await world.topic(2)
    const { child, told } = joinInChild(kafka.bootstrap, topic)
    expect((await told.next()).value).toBe('assigned 0,1')
    await broker()[how]()
    try {
      const askedMs = performance.now()
      const exited = once(child, 'exit')
      child.stdin?.write('leave\n')
      expect((await told.next()).value).toBe('revoked 0,1')
      expect(performance.now() - askedMs).toBeLessThan(500)
      expect(await exited).toEqual([0, null])
      expect(performance.now() - askedMs).toBeLessThan(5_000)
    } finally {
      if (how === 'freeze') broker().thaw()
      else await broker().start()
    }
  })
})
