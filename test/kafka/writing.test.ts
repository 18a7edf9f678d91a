import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { errorCodes } from '../../src/log/kafka/wire/errors.ts'
import { type KafkaCluster, kafkaTool, startKafka } from '../services/kafka.ts'
import type { Kind } from '../support/append-ledger.ts'
import { API_VERSIONS, kind, type Message } from '../support/cutting-proxy.ts'
import { administer } from '../support/kafka-reading.ts'
import { errorOf, pass, produce, Steady, untilAppended, worldOf } from '../support/writing-world.ts'

/** The faults of kafkajs's producer, and others, played against ours: on real brokers, behind a network that cuts. */

const cut = (message: Message): void => message.cut()
const tear = (message: Message): void => message.tear()

describe('a record that is told as appended is in the log at its offset, and once, on one broker:', () => {
  let kafka: KafkaCluster
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.dispose())

  const broker = () => {
    const [first] = kafka.brokers
    if (first === undefined) throw new Error('There is a broker')
    return first
  }
  const world = async (options?: Parameters<typeof worldOf>[1]) => {
    const made = await worldOf(kafka, options)
    const [proxy] = made.proxies
    if (proxy === undefined) throw new Error('There is a proxy')
    return { ...made, proxy }
  }

  it.each([
    ['an answer is lost', 'answer', cut],
    ['half an answer comes', 'answer', tear],
    ['a request is lost', 'request', cut],
    ['half a request arrives', 'request', tear],
  ] as const)('%s while others wait', async (_, direction, fault) => {
    const { proxy, writer, ledger } = await world()
    await ledger.append(writer, [0, 1])
    for (let round = 0; round < 5; round++) {
      const waiting: Promise<readonly Kind[]>[] = []
      // What is appended while the first request is under way stands behind it.
      const faulty = proxy.next('request', produce, message => {
        waiting.push(ledger.append(writer, [0]), ledger.append(writer, [1, 0]))
        if (direction === 'request') fault(message)
        else {
          void proxy.next('answer', produce, fault)
          pass(message)
        }
      })
      const first = ledger.append(writer, [0])
      await faulty
      await Promise.all([first, ...waiting])
    }
    expect(await ledger.judge()).toEqual({ appended: 22, refused: 0, 'not-sent': 0, unknown: 0 })
  })

  it('one record among others is refused by a limit that was lowered meanwhile', async () => {
    const { topic, writer, ledger } = await world()
    await ledger.append(writer, [0, 1])
    const to = ['--bootstrap-server', kafka.bootstrap, '--entity-type', 'topics', '--entity-name', topic]
    await kafkaTool('kafka-configs', ['--alter', ...to, '--add-config', 'max.message.bytes=2000'])
    const told = await Promise.all([
      ledger.append(writer, [0, 1]),
      ledger.append(writer, [0], 10_000, 5_000),
      ledger.append(writer, [0, 0, 1]),
      ledger.append(writer, [1], 10_000, 1_500),
      ledger.append(writer, [1], 10_000, 1_500),
      ledger.append(writer, [0]),
    ])
    expect(told.map(kinds => kinds.join(' '))).toEqual([
      'appended appended',
      'refused',
      'appended appended appended',
      'appended',
      'appended',
      'appended',
    ])
    await ledger.append(writer, [0, 1])
    expect(await ledger.judge()).toEqual({ appended: 12, refused: 1, 'not-sent': 0, unknown: 0 })
  })

  it.each([['request'], ['answer']] as const)(
    'every %s disappears until the deadline: what is under way is unknown, what waits not sent',
    async direction => {
      const made = await world()
      const { proxy, writer, ledger } = made
      await ledger.append(writer, [0, 1])
      const swallowed = proxy.next('request', produce, message => {
        proxy.blackHole(direction)
        if (direction === 'answer') pass(message)
      })
      const underWay = ledger.append(writer, [0], 1_000)
      await swallowed
      const waiting = ledger.append(writer, [0, 1], 1_000)
      expect([await underWay, await waiting]).toEqual([['unknown'], ['not-sent', 'not-sent']])
      proxy.blackHole()
      await untilAppended(made, [0, 1])
      expect(await ledger.judge()).toMatchObject({ refused: 0, unknown: 1 })
    },
  )

  /** Appends a record whose request is held back, and every repetition lost, until its deadline. */
  async function held({ proxy, writer, ledger }: Awaited<ReturnType<typeof world>>) {
    await ledger.append(writer, [0])
    const holding = proxy.hold(produce)
    const lost = ledger.append(writer, [0], 1_000)
    const zombie = await holding
    const repeated = proxy.next('request', produce, () => undefined)
    expect(await lost).toEqual(['unknown'])
    await repeated
    proxy.cut()
    return zombie
  }
  it('a request that was given up arrives after a newer record was acknowledged, and is kept out', async () => {
    const made = await world()
    const zombie = await held(made)
    expect(await made.ledger.append(made.writer, [0])).toEqual(['appended'])
    expect(errorOf(await zombie.deliver())).toBe(errorCodes.INVALID_PRODUCER_EPOCH)
    expect(await made.ledger.append(made.writer, [0])).toEqual(['appended'])
    expect(await made.ledger.judge()).toEqual({ appended: 3, refused: 0, 'not-sent': 0, unknown: 1 })
    const ends = await administer(kafka.bootstrap, admin => admin.fetchTopicOffsets(made.topic))
    expect(ends.find(({ partition }) => partition === 0)?.high).toBe('3')
  })

  it('a request that was given up arrives before any newer record: it is in the log, and the newer one behind it', async () => {
    const made = await world()
    const zombie = await held(made)
    expect(errorOf(await zombie.deliver())).toBe(errorCodes.NONE)
    expect(await made.ledger.append(made.writer, [0])).toEqual(['appended'])
    expect(await made.ledger.judge()).toEqual({ appended: 2, refused: 0, 'not-sent': 0, unknown: 1 })
    const ends = await administer(kafka.bootstrap, admin => admin.fetchTopicOffsets(made.topic))
    expect(ends.find(({ partition }) => partition === 0)?.high).toBe('3')
  })

  it('a request arrives after its repetition was acknowledged, and appends nothing', async () => {
    const { proxy, writer, ledger } = await world()
    const holding = proxy.hold(produce)
    const first = ledger.append(writer, [0])
    const zombie = await holding
    expect([await first, await ledger.append(writer, [0])]).toEqual([['appended'], ['appended']])
    await zombie.deliver()
    await ledger.append(writer, [0])
    expect(await ledger.judge()).toEqual({ appended: 3, refused: 0, 'not-sent': 0, unknown: 0 })
  })

  it('whatever the network does, from two processes at once', async () => {
    const made = await world({ partitions: 4 })
    const { proxy, ledger } = made
    const streams = [new Steady(made, 4, 'one'), new Steady({ ledger, writer: (await made.open()).writer }, 4, 'other')]
    const faults = [
      () => proxy.next('answer', produce, cut),
      () => proxy.next('request', produce, tear),
      () => proxy.next('answer', produce, tear),
      () => proxy.next('request', produce, cut),
      async () => proxy.cut(),
    ]
    for (let round = 0; round < 40; round++) {
      proxy.latencyMs = (round % 3) * 5
      await faults[round % faults.length]?.()
      await streams[round % 2]?.told('appended', 5)
    }
    await Promise.all(streams.map(stream => stream.stop()))
    expect(await ledger.judge()).toMatchObject({ refused: 0, unknown: 0 })
  })

  it('every broker hangs while a connection is made: the log closes without waiting for it', async () => {
    const { proxy, log, writer, ledger } = await world()
    await ledger.append(writer, [0])
    const connecting = proxy.next('request', produce, () => {
      proxy.blackHole('request')
      proxy.cut()
    })
    const call = ledger.append(writer, [0], 1_000)
    await connecting
    await proxy.next('request', kind(API_VERSIONS), () => undefined)
    expect(await call).toEqual(['unknown'])
    const startedMs = performance.now()
    await log.close()
    expect(performance.now() - startedMs).toBeLessThan(1_000)
    expect(await ledger.judge()).toEqual({ appended: 1, refused: 0, 'not-sent': 0, unknown: 1 })
  })

  it('the broker slows a client down that writes more than its quota', async () => {
    const { ledger, writer } = await world({ clientId: 'throttled' })
    const to = ['--bootstrap-server', kafka.bootstrap, '--entity-type', 'clients', '--entity-name', 'throttled']
    await kafkaTool('kafka-configs', ['--alter', ...to, '--add-config', 'producer_byte_rate=20000'])
    // A rate over ten seconds: 200 kB are free.
    for (let call = 0; call < 24; call++) await ledger.append(writer, [0], 20_000, 10_000)
    expect(await ledger.append(writer, [0, 1], 200)).toEqual(['not-sent', 'not-sent'])
    expect(await ledger.append(writer, [0, 1])).toEqual(['appended', 'appended'])
    expect(await ledger.judge()).toEqual({ appended: 26, refused: 0, 'not-sent': 2, unknown: 0 })
  })

  it('the broker is killed with -9 and started again: what is written meanwhile is told at once, and then all goes on', async () => {
    const made = await world({ partitions: 4 })
    const steady = new Steady(made, 4)
    for (let kill = 0; kill < 2; kill++) {
      await steady.told('appended', 200)
      await broker().kill()
      const killedMs = performance.now()
      expect(await made.ledger.append(made.writer, [0])).toEqual(['not-sent'])
      expect(performance.now() - killedMs).toBeLessThan(1_000)
      await broker().start()
      await steady.told('appended', 200)
    }
    await steady.stop()
    expect(await made.ledger.judge()).toMatchObject({ refused: 0, unknown: 0 })
  })
})
