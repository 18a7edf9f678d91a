import kafkajs, { type AclOperationTypes as Operation, type AclResourceTypes as ResourceType } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KafkaCluster, startKafka } from '../services/kafka.ts'
import { TestMember } from './group-members.ts'
import { makeWorld, newName, type World } from './group-world.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
const PASSWORD = 'secret'

/** On PLAINTEXT everybody may do everything; on SASL `worker` may do what a test allows. */
describe('a user of Kafka', () => {
  let kafka: KafkaCluster
  beforeAll(async () => {
    kafka = await startKafka({
      listeners: { SASL: 'SASL_PLAINTEXT' },
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_worker="${PASSWORD}";`,
      },
    })
  })
  afterAll(() => kafka.dispose())

  const address = (): string => {
    const { SASL = '' } = kafka.brokers[0]?.addresses ?? {}
    return SASL
  }
  const superUser = (): World => makeWorld(kafka.bootstrap)
  const worker = (password = PASSWORD): World => makeWorld(address(), { sasl: { mechanism: 'plain', username: 'worker', password } })

  /** Settles once the broker knows of it. */
  async function allow(world: World, resourceType: ResourceType, resourceName: string, operation: Operation): Promise<void> {
    const acl = {
      resourceType,
      resourceName,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: 'User:worker',
      host: '*',
      operation,
      permissionType: AclPermissionTypes.ALLOW,
    }
    await world.admin.use(admin => admin.createAcls({ acl: [acl] }))
    await expect.poll(async () => (await world.admin.use(admin => admin.describeAcls(acl))).resources.length).toBe(1)
  }

  const tool = (name: string): string => `${name} --bootstrap-server ${address()}`

  it('who may not make topics is told what to have made', async () => {
    const name = newName()
    await allow(superUser(), AclResourceTypes.TOPIC, name, AclOperationTypes.DESCRIBE)
    const made = worker().topics.ensureTopic({ name, partitions: 3, replication: -1, create: true })
    await expect(made).rejects.toMatchObject({
      code: 'topic-missing',
      message: `Kafka has no topic ${name}, and logfold may not make topics`,
      remedy: `Make it: ${tool('kafka-topics.sh')} --create --topic ${name} --partitions 3 --config cleanup.policy=compact`,
    })
  })

  it('who may not see a topic is told what to have allowed', async () => {
    const { name } = await superUser().topic(2)
    await expect(worker().topics.ensureTopic({ name, partitions: 2, replication: -1, create: true })).rejects.toMatchObject({
      code: 'topic-missing',
      message: `Kafka has no topic ${name}, or logfold may not see it`,
      remedy: `Allow it: ${tool('kafka-acls.sh')} --add --allow-principal User:worker --operation Read --operation DescribeConfigs --topic ${name}`,
    })
  })

  it('who may not read a topic’s settings is told what to have allowed', async () => {
    const admin = superUser()
    const { name } = await admin.topic(2)
    await allow(admin, AclResourceTypes.TOPIC, name, AclOperationTypes.READ)
    const world = worker()
    const ensure = (): Promise<unknown> => world.topics.ensureTopic({ name, partitions: 2, replication: -1, create: false })
    await expect(ensure()).rejects.toMatchObject({
      code: 'topic-missing',
      remedy: `Allow it: ${tool('kafka-acls.sh')} --add --allow-principal User:worker --operation DescribeConfigs --topic ${name}`,
    })
    await allow(admin, AclResourceTypes.TOPIC, name, AclOperationTypes.DESCRIBE_CONFIGS)
    expect(await ensure()).toMatchObject({ name, partitions: 2 })
  })

  it('who may not join a group is told what to have allowed, and joins then', async () => {
    const admin = superUser()
    const topic = await admin.topic(2)
    await allow(admin, AclResourceTypes.TOPIC, topic.name, AclOperationTypes.READ)
    const { memberships } = worker()
    const group = newName()
    const refused = new TestMember()
    memberships.join(group, topic, refused)
    await refused.next()
    expect(refused.failure).toMatchObject({
      code: 'log-unavailable',
      message: `Kafka does not let this process into the group ${group}: Not authorized to access group: Group authorization failed`,
      remedy: `Allow it: ${tool('kafka-acls.sh')} --add --allow-principal User:worker --operation Read --group ${group}`,
    })
    expect(await memberships.members(group)).toBeUndefined()
    await allow(admin, AclResourceTypes.GROUP, group, AclOperationTypes.READ)
    const member = new TestMember()
    memberships.join(group, topic, member)
    await member.next()
    expect(member.said).toEqual(['assigned 0,1'])
    expect(await memberships.members(group)).toBe(1)
  })

  it('who may not see the topic of a group is told what to have allowed', async () => {
    const topic = await superUser().topic(2)
    const member = new TestMember()
    worker().memberships.join(newName(), topic, member)
    await member.next()
    expect(member.failure).toMatchObject({
      remedy: `Allow it: ${tool('kafka-acls.sh')} --add --allow-principal User:worker --operation Read --topic ${topic.name}`,
    })
  })

  it('whose password is wrong is warned of, and tries on', async () => {
    const topic = await superUser().topic(2)
    const world = worker('wrong')
    const member = new TestMember()
    world.memberships.join(newName(), topic, member)
    await world.logger.next()
    expect(world.logger.said).toEqual(['warn: Not in the group; trying on. Partitions stay as they are'])
    expect(member.said).toEqual([])
  })
})
