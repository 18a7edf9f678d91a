import { connect, type Socket } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { expect, it } from 'vitest'
import { append, appended, makeTopic, set } from '../contract/log/support.ts'
import { kafkaTool, startKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { administer } from '../support/kafka-reading.ts'

it('another cluster that takes the address over is neither written to nor read, and the right one is gone on with when it is back', async () => {
  await using here = await startKafka()
  await using there = await startKafka()
  const [right, wrong] = [here, there].map(({ brokers }) => brokers[0]?.port ?? 0)
  let port = right ?? 0
  const sockets = new Set<Socket>()
  const socketFactory: ISocketFactory = ({ onConnect }) => {
    const socket = connect({ host: '127.0.0.1', port }, onConnect)
    sockets.add(socket)
    return socket
  }
  const moveTo = (target: number | undefined): void => {
    port = target ?? 0
    for (const socket of sockets) socket.destroy(new Error('moved'))
    sockets.clear()
  }
  const log = kafkaLog({ brokers: [here.bootstrap], socketFactory })
  const topic = await makeTopic(log)
  await administer(there.bootstrap, async admin => {
    await admin.createTopics({ topics: [{ topic: topic.name, numPartitions: 1, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }] })
  })
  await appended(log, topic, [set('a', '1')])

  moveTo(wrong)
  const [outcome] = await append(log, topic, [set('b', '2')])
  expect(outcome).toMatchObject({
    kind: 'not-sent',
    cause: { code: 'log-unavailable', message: expect.stringMatching(/it belongs to the cluster \S+, and this process works with/) },
  })
  await expect(log.endOffsets(topic)).rejects.toMatchObject({ code: 'log-unavailable' })
  expect(await kafkaTool('kafka-get-offsets', ['--bootstrap-server', there.bootstrap, '--topic', topic.name])).toBe(`${topic.name}:0:0\n`)

  moveTo(right)
  await expect.poll(async () => (await append(log, topic, [set('c', '3')]))[0], { timeout: 10_000 }).toEqual({ kind: 'appended', offset: 1 })
  expect(await log.endOffsets(topic)).toEqual([2])
  await log.close()
})
