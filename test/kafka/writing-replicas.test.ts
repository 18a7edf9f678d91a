import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCodes } from '../../src/log/kafka/wire/errors.ts'
import { type KafkaCluster, kafkaTool, kcat, startKafka } from '../services/kafka.ts'
import { administer } from '../support/kafka-reading.ts'
import { errorOf, pass, produce, Steady, untilAppended, worldOf } from '../support/writing-world.ts'

interface PartitionTold {
  readonly partition: number
  readonly leader: number
  readonly isrs: readonly unknown[]
}

describe('a record that is told as appended is in the log at its offset, and once, on three brokers:', () => {
  let kafka: KafkaCluster
  beforeAll(async () => {
    kafka = await startKafka({ brokers: 3 })
  })
  afterAll(() => kafka?.dispose())

  const brokerOf = (id: number) => {
    const found = kafka.brokers.find(broker => broker.id === id)
    if (found === undefined) throw new Error(`There is no broker ${id}`)
    return found
  }
  const config = { 'min.insync.replicas': 2 }
  /** As a broker tells it that runs in all tests that ask. */
  const told = async (topic: string): Promise<readonly PartitionTold[]> => {
    const { topics } = JSON.parse(await kcat(['-b', brokerOf(2).address, '-L', '-J', '-t', topic])) as { topics: [{ partitions: PartitionTold[] }] }
    return topics[0].partitions.toSorted((a, b) => a.partition - b.partition)
  }
  const leadersOf = async (topic: string): Promise<readonly number[]> => (await told(topic)).map(({ leader }) => leader)
  const inSync = async (topic: string): Promise<readonly number[]> => (await told(topic)).map(({ isrs }) => isrs.length)

  it('the leader moves to another broker, and dies there', async () => {
    const made = await worldOf(kafka, {
      config,
      assignment: [
        [1, 2, 3],
        [2, 3, 1],
      ],
    })
    const { topic, ledger } = made
    const steady = new Steady(made, 2)
    await steady.told('appended', 100)
    const partitionAssignment = [{ partition: 0, replicas: [3, 2, 1] }]
    await administer(kafka.bootstrap, admin => admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] }))
    const which = ['--topic', topic, '--partition', '0', '--election-type', 'preferred']
    await kafkaTool('kafka-leader-election', ['--bootstrap-server', kafka.bootstrap, ...which])
    await expect.poll(() => leadersOf(topic)).toEqual([3, 2])
    await steady.told('appended', 200)
    await brokerOf(3).kill()
    await expect.poll(() => leadersOf(topic)).toEqual([2, 2])
    await steady.told('appended', 200)
    await brokerOf(3).start()
    await steady.told('appended', 200)
    await steady.stop()
    expect(await ledger.judge()).toMatchObject({ refused: 0, 'not-sent': 0, unknown: 0 })
  })

  it('fewer replicas are in sync than there must be: nothing is acknowledged, and all goes on once they are back', async () => {
    const made = await worldOf(kafka, { config, assignment: [[1, 2, 3]] })
    const { proxies, writer, ledger } = made
    await ledger.append(writer, [0])
    await Promise.all([brokerOf(2).kill(), brokerOf(3).kill()])
    // The leader appends, and waits for those that it doesn't know to be gone.
    expect(await ledger.append(writer, [0], 1_000)).toEqual(['unknown'])
    const refused = proxies[0]?.next('answer', answer => produce(answer) && errorOf(answer) === errorCodes.NOT_ENOUGH_REPLICAS, pass)
    expect(await ledger.append(writer, [0, 0], 10_000)).toEqual(['not-sent', 'not-sent'])
    await refused
    const waiting = ledger.append(writer, [0], 30_000)
    await brokerOf(2).start()
    expect(await waiting).toEqual(['appended'])
    await brokerOf(3).start()
    expect(await ledger.append(writer, [0])).toEqual(['appended'])
    expect(await ledger.judge()).toMatchObject({ appended: 3, refused: 0 })
  })

  it('the leader is frozen: other partitions go on, its own are written by the next leader, and it appends nothing when it thaws', async () => {
    const made = await worldOf(kafka, {
      config,
      assignment: [
        [1, 2, 3],
        [2, 3, 1],
      ],
    })
    const { topic, writer, ledger } = made
    await ledger.append(writer, [0, 1])
    brokerOf(1).freeze()
    try {
      const lost = ledger.append(writer, [0], 3_000)
      expect(await ledger.append(writer, [1])).toEqual(['appended'])
      expect(await lost).toEqual(['unknown'])
      await expect.poll(() => leadersOf(topic)).toEqual([2, 2])
      await untilAppended(made, [0])
    } finally {
      brokerOf(1).thaw()
    }
    await untilAppended(made, [0, 1])
    await expect.poll(() => inSync(topic)).toEqual([3, 3])
    expect(await ledger.judge()).toMatchObject({ refused: 0 })
  })

  it('one partition has no leader: its records aren’t sent, others are appended', async () => {
    const made = await worldOf(kafka, { assignment: [[3], [1]] })
    const { topic, writer, ledger } = made
    await ledger.append(writer, [0, 1])
    await brokerOf(3).kill()
    await expect.poll(() => leadersOf(topic)).toEqual([-1, 1])
    expect(await Promise.all([ledger.append(writer, [0], 1_000), ledger.append(writer, [1], 1_000)])).toEqual([['not-sent'], ['appended']])
    const waiting = ledger.append(writer, [0], 60_000)
    await brokerOf(3).start()
    expect(await waiting).toEqual(['appended'])
    expect(await ledger.judge()).toEqual({ appended: 4, refused: 0, 'not-sent': 1, unknown: 0 })
  })
})
