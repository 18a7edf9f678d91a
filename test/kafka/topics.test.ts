import assert from 'node:assert/strict'
import kafkajs, { type Admin } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import type { SharedAdmin } from '../../src/log/kafka/client.ts'
import { RECORD_OVERHEAD_BYTES } from '../../src/log/kafka/overhead.ts'
import { Topics } from '../../src/log/kafka/topics.ts'
import { isLogfoldError, type LogfoldError } from '../../src/model/errors.ts'
import type { TopicSpec } from '../../src/model/log.ts'
import { sharedKafka } from '../services/kafka.ts'
import { makeWorld, Network, newName, type World } from './group-world.ts'

const spec = (changes: Partial<TopicSpec> = {}): TopicSpec => ({ name: newName(), partitions: 2, replication: -1, create: true, ...changes })

async function errorOf(answer: Promise<unknown>): Promise<LogfoldError> {
  const error = await answer.then(
    () => undefined,
    reason => reason,
  )
  assert(isLogfoldError(error), `${error}`)
  return error
}

const make = (world: World, name: string, settings: Readonly<Record<string, string>>): Promise<boolean> =>
  world.admin.use(admin =>
    admin.createTopics({
      topics: [{ topic: name, numPartitions: 2, configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })) }],
      waitForLeaders: false,
    }),
  )

const resource = (name: string) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })

async function settingsOf(world: World, name: string, configNames: string[]): Promise<Readonly<Record<string, string>>> {
  const { resources } = await world.admin.use(admin =>
    admin.describeConfigs({ resources: [{ ...resource(name), configNames }], includeSynonyms: false }),
  )
  return Object.fromEntries(resources.flatMap(({ configEntries }) => configEntries.map(({ configName, configValue }) => [configName, configValue])))
}

/** Settles once the broker that is asked knows of it. */
async function alter(world: World, name: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
  await world.admin.use(admin => admin.alterConfigs({ validateOnly: false, resources: [{ ...resource(name), configEntries }] }))
  await expect.poll(() => settingsOf(world, name, Object.keys(settings))).toEqual(settings)
}

describe('topics in Kafka', () => {
  it('are made compacted, and as long as the spec says', async () => {
    const world = makeWorld(sharedKafka())
    const made = await world.topics.ensureTopic(spec({ recordBytesMax: 3_000_000 }))
    expect(made).toEqual({
      name: made.name,
      id: made.id,
      partitions: 2,
      recordBytesMax: 3_000_000,
      deleteRetentionMs: 86_400_000,
    })
    expect(await settingsOf(world, made.name, ['cleanup.policy', 'max.message.bytes'])).toEqual({
      'cleanup.policy': 'compact',
      'max.message.bytes': String(3_000_000 + RECORD_OVERHEAD_BYTES),
    })
    expect(await world.topics.ensureTopic(spec({ name: made.name, create: false }))).toEqual(made)
  })

  it('whose records go for their age are made so, and roll often enough for that', async () => {
    const world = makeWorld(sharedKafka())
    const { name } = await world.topics.ensureTopic(spec({ deleteAfterMs: 3_600_000 }))
    expect(await settingsOf(world, name, ['cleanup.policy', 'retention.ms', 'segment.ms'])).toEqual({
      'cleanup.policy': 'compact,delete',
      'retention.ms': '3600000',
      'segment.ms': '3600000',
    })
    expect(await world.topics.ensureTopic(spec({ name, deleteAfterMs: 3_600_000, create: false }))).toMatchObject({ name })
  })

  it.each(['delete', 'compact'])('whose records are to go for their age, but with cleanup.policy %s, are a mismatch with a remedy', async policy => {
    const world = makeWorld(sharedKafka())
    const name = newName()
    await make(world, name, { 'cleanup.policy': policy })
    const aging = spec({ name, deleteAfterMs: 3_600_000 })
    const { code, message, remedy } = await errorOf(world.topics.ensureTopic(aging))
    expect(code).toBe('topic-mismatch')
    expect(message).toContain(`its cleanup.policy is ${policy}`)
    expect(remedy).toBe(
      `Unless something else is kept in it: kafka-configs.sh --bootstrap-server ${sharedKafka()} --alter --entity-type topics --entity-name ${name} --add-config 'cleanup.policy=[compact,delete],retention.ms=3600000,segment.ms=3600000'`,
    )
    await alter(world, name, { 'cleanup.policy': 'compact,delete', 'retention.ms': '3600000', 'segment.ms': '3600000' })
    expect(await world.topics.ensureTopic(aging)).toMatchObject({ name })
  })

  it('are made once by two who make them at once', async () => {
    const worlds = [makeWorld(sharedKafka()), makeWorld(sharedKafka())]
    const same = spec({ partitions: 3 })
    const made = await Promise.all(worlds.map(({ topics }) => topics.ensureTopic(same)))
    expect(made.map(({ partitions }) => partitions)).toEqual([3, 3])
  })

  it('that are missing are missing, and the remedy makes them', async () => {
    const { topics } = makeWorld(sharedKafka())
    const missing = spec({ create: false, partitions: 5, recordBytesMax: 2_000_000, replication: 1 })
    const { code, remedy } = await errorOf(topics.ensureTopic(missing))
    const command = `kafka-topics.sh --bootstrap-server ${sharedKafka()} --create --topic ${missing.name} --partitions 5 --replication-factor 1 --config cleanup.policy=compact --config max.message.bytes=2000128`
    expect([code, remedy]).toEqual(['topic-missing', `Set create: true on the view, correct its topic, or make it: ${command}`])
  })

  it('that can’t be made are missing, with the reason', async () => {
    const { topics } = makeWorld(sharedKafka())
    const impossible = spec({ replication: 30 })
    const { code, message } = await errorOf(topics.ensureTopic(impossible))
    expect([code, message]).toEqual(['topic-missing', `Kafka has no topic ${impossible.name}, and it can't be made: Replication-factor is invalid`])
  })

  it('with another number of partitions are a mismatch', async () => {
    const { topics } = makeWorld(sharedKafka())
    const { name } = await topics.ensureTopic(spec())
    const { code, message, remedy } = await errorOf(topics.ensureTopic(spec({ name, partitions: 3 })))
    expect([code, message]).toEqual(['topic-mismatch', `The topic ${name} has 2 partitions, not 3`])
    expect(remedy).toMatch(/^Set partitions: 2 in the config, if the topic always had them, or name another topic/)
  })

  it.each(['delete', 'compact,delete'])('whose cleanup.policy is %s are a mismatch, until the remedy is carried out', async policy => {
    const world = makeWorld(sharedKafka())
    const name = newName()
    await make(world, name, { 'cleanup.policy': policy })
    const { code, message, remedy } = await errorOf(world.topics.ensureTopic(spec({ name })))
    expect(code).toBe('topic-mismatch')
    expect(message).toContain(`its cleanup.policy is ${policy}`)
    expect(remedy).toBe(
      `Name another topic, or: kafka-configs.sh --bootstrap-server ${sharedKafka()} --alter --entity-type topics --entity-name ${name} --add-config cleanup.policy=compact`,
    )
    await alter(world, name, { 'cleanup.policy': 'compact' })
    expect(await world.topics.ensureTopic(spec({ name }))).toMatchObject({ name, partitions: 2 })
  })

  it('tell their retention of deletes, and are refused where it is too short to rely on', async () => {
    const world = makeWorld(sharedKafka())
    const name = newName()
    await make(world, name, { 'cleanup.policy': 'compact', 'delete.retention.ms': '5000' })
    expect(await world.topics.ensureTopic(spec({ name }))).toMatchObject({ deleteRetentionMs: 5_000 })
    await alter(world, name, { 'cleanup.policy': 'compact', 'delete.retention.ms': '7000' })
    expect(await world.topics.deleteRetentionMs(name)).toBe(7_000)
    const strict = new Topics({ ...world, deleteRetentionMinMs: 7_001, admin: world.admin, metadata: async () => ({ id: 'x', partitions: 2 }) })
    const { code, message, remedy } = await errorOf(strict.ensureTopic(spec({ name })))
    expect([code, message]).toEqual([
      'topic-mismatch',
      `The topic ${name} keeps deletes for 7000 ms (delete.retention.ms), less than the 7001 ms that are needed to be sure that none was missed`,
    ])
    expect(remedy).toMatch(new RegExp(`kafka-configs.sh --bootstrap-server ${sharedKafka()} .* --add-config delete.retention.ms=86400000$`))
  })

  it('where a broker that lacks writes may lead are warned of, once', async () => {
    const world = makeWorld(sharedKafka())
    const name = newName()
    await make(world, name, { 'cleanup.policy': 'compact', 'unclean.leader.election.enable': 'true' })
    await world.topics.ensureTopic(spec({ name }))
    await world.topics.ensureTopic(spec({ name }))
    expect(world.logger.said).toEqual([
      'warn: A broker that lacks acknowledged writes may become leader, and they are lost; set unclean.leader.election.enable=false on the topic',
    ])
  })

  it('whose writes count with one copy are warned of, where they have more', async () => {
    const world = makeWorld(sharedKafka())
    const { name } = await world.topic(2)
    // As if the one broker were two.
    const twice = (admin: Admin): Admin => ({
      ...admin,
      fetchTopicMetadata: async options => {
        const { topics } = await admin.fetchTopicMetadata(options)
        return { topics: topics.map(topic => ({ ...topic, partitions: topic.partitions.map(each => ({ ...each, replicas: [1, 2] })) })) }
      },
    })
    const admin: Pick<SharedAdmin, 'use'> = { use: work => world.admin.use(each => work(twice(each))) }
    await new Topics({ ...world, deleteRetentionMinMs: 0, admin, metadata: async () => ({ id: 'x', partitions: 2 }) }).ensureTopic(spec({ name }))
    expect(world.logger.said.filter(line => line.startsWith('warn'))).toEqual([
      'warn: A write is acknowledged when one copy has it, and lost with that broker; set min.insync.replicas=2 on the topic',
    ])
  })

  it('can’t be told while Kafka is away, and are told when it is back', async () => {
    const network = new Network()
    const { topics, admin } = makeWorld(sharedKafka(), { socketFactory: network.socketFactory })
    network.cut()
    const wanted = spec()
    expect((await errorOf(topics.ensureTopic(wanted))).code).toBe('log-unavailable')
    expect((await errorOf(topics.deleteRetentionMs(wanted.name))).code).toBe('log-unavailable')
    network.up = true
    expect(await topics.ensureTopic(wanted)).toMatchObject({ name: wanted.name, partitions: 2 })
    expect(await topics.deleteRetentionMs(wanted.name)).toBe(86_400_000)
    await admin.close()
    expect((await errorOf(topics.ensureTopic(wanted))).code).toBe('closed')
  })
})
