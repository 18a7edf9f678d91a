import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitioners } from '../../src/model/partitioner.ts'
import { type KafkaCluster, kafkaTool, kcat, startKafka } from '../services/kafka.ts'
import { administer } from '../support/kafka-reading.ts'
import { metStopped, metWell, type Product, Products } from './product.ts'

const PARTITIONS = 2
const BY_REBUILD = 'The view is folded anew, from the topic in the config, by: logfold rebuild job'

/** Each is met as an operator meets it (status, readiness, a read, a write, the log), and then its remedy is followed until the view goes on. */
describe.concurrent('a view is stopped for safety, and goes on when the remedy was followed:', () => {
  let kafka: KafkaCluster
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.dispose())

  const productsOn = (topic: string): Products => {
    const products = new Products([])
    products.configure({
      log: { kind: 'kafka', brokers: kafka.bootstrap, namespace: topic },
      backends: { local: { kind: 'sqlite', path: 'views.sqlite' } },
      views: { job: { topic, partitions: PARTITIONS, backend: 'local' } },
    })
    return products
  }
  const make = async (topic: string, config: Readonly<Record<string, string>> = { 'cleanup.policy': 'compact' }, numPartitions = PARTITIONS) => {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    await administer(kafka.bootstrap, admin => admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: false }))
  }
  const alter = (topic: string, setting: string): string =>
    `kafka-configs.sh --bootstrap-server ${kafka.bootstrap} --alter --entity-type topics --entity-name ${topic} --add-config ${setting}`
  /** Runs what somebody would copy out of a remedy. */
  const runCommand = async (remedy = ''): Promise<void> => {
    const [script = '', ...args] = remedy.slice(remedy.indexOf('kafka-')).split(' ')
    await kafkaTool(script.replace('.sh', '') as Parameters<typeof kafkaTool>[0], args)
  }

  it.each([
    [
      'not compacted',
      { 'cleanup.policy': 'delete' },
      (topic: string) => `The topic ${topic} isn't compacted: its cleanup.policy is delete`,
      (topic: string) => `Name another topic, or: ${alter(topic, 'cleanup.policy=compact')}`,
    ],
    [
      'compacted and cut',
      { 'cleanup.policy': 'compact,delete' },
      (topic: string) =>
        `The topic ${topic} is compacted, but old records are deleted too: its cleanup.policy is compact,delete. Entries would stay in the view whose records the log has no more`,
      (topic: string) => `Name another topic, or: ${alter(topic, 'cleanup.policy=compact')}`,
    ],
    [
      'briefly keeping deletes',
      { 'cleanup.policy': 'compact', 'delete.retention.ms': '299999' },
      (topic: string) =>
        `The topic ${topic} keeps deletes for 299999 ms (delete.retention.ms), less than the 300000 ms that are needed to be sure that none was missed`,
      (topic: string) => `A day is Kafka's default: ${alter(topic, 'delete.retention.ms=86400000')}`,
    ],
  ] as const)('its topic is %s', async (name, config, problemOf, remedyOf) => {
    const topic = name.replaceAll(' ', '-')
    const [problem, remedy] = [problemOf(topic), remedyOf(topic)]
    await make(topic, config)
    await using products = productsOn(topic)
    const product = await products.start()
    expect(await product.logged('The view waits for its topic')).toMatchObject({ view: 'job', code: 'topic-mismatch', cause: problem, remedy })
    const told = { answer: '503 topic-mismatch', detail: problem, remedy }
    const met = await product.meets()
    expect(met).toEqual({ state: 'waiting', problem, next: [remedy], readyz: `503 [-] view job serves: ${problem}`, get: told, put: told })
    expect(await products.check()).toEqual([1, [`FAILED  topic ${topic}  ${problem}`]])
    await runCommand(met.next[0])
    await product.ready()
    expect(await product.put('one', 1)).toBe('200')
    expect(await product.meets()).toEqual(metWell('200 1'))
  })

  it.each([
    ['while it runs', 'remade-at-once'],
    ['and logfold started again', 'remade-before'],
  ])('its topic is deleted and made again, %s', async (when, topic) => {
    await using products = productsOn(topic)
    const reason = expect.stringMatching(new RegExp(`^The topic ${topic} was made again: its id is [\\w-]{22}, and was [\\w-]{22}$`))
    const remedy = `See that the new topic holds what it should, or name another one in the config (logfold reload). ${BY_REBUILD}`
    const meets = async (product: Product): Promise<void> => {
      const stopped = await product.stopped()
      expect(stopped).toEqual({ code: 'topic-mismatch', reason, remedy })
      expect(await product.meets()).toEqual(metStopped(String(stopped.reason), remedy, '200 1'))
    }
    const follows = async (product: Product): Promise<void> => {
      expect(await product.follow(BY_REBUILD)).toBe(2)
      expect(await product.get('one')).toMatchObject({ answer: '404 no-such-entry' })
      expect(await product.put('one', 2)).toBe('200')
      expect(await product.meets()).toEqual(metWell('200 2'))
    }
    await products.during([], async product => {
      await product.ready()
      expect(await product.put('one', 1)).toBe('200')
      await administer(kafka.bootstrap, admin => admin.deleteTopics({ topics: [topic] }))
      await make(topic)
      await meets(product)
      if (when === 'while it runs') await follows(product)
    })
    if (when !== 'while it runs') {
      expect(await products.check()).toEqual([1, [expect.stringMatching(`^FAILED  topic ${topic} of job@1  The topic ${topic} was made again: `)]])
      await products.during([], async product => {
        await meets(product)
        await follows(product)
      })
    }
    expect(await products.check()).toEqual([0, []])
  })

  it('its topic is deleted', async () => {
    const topic = 'deleted'
    await using products = productsOn(topic)
    await products.during([], async product => {
      await product.ready()
      expect(await product.put('one', 1)).toBe('200')
      await administer(kafka.bootstrap, admin => admin.deleteTopics({ topics: [topic] }))
      const reason = expect.stringMatching(/^The topic deleted \(id [\w-]{22}\) is no longer there$/)
      const remedy = `Make it again, with its records if they are kept elsewhere: one that is made again is another topic, whatever its name. ${BY_REBUILD}`
      const stopped = await product.stopped()
      expect(stopped).toEqual({ code: 'topic-missing', reason, remedy })
      expect(await product.meets()).toEqual(metStopped(String(stopped.reason), remedy, '200 1'))
    })
    await products.during([], async product => {
      const problem = 'Kafka has no topic deleted'
      const { remedy } = await product.logged('The view waits for its topic')
      expect(remedy).toMatch(
        /^The view goes on by itself once its topic is as it was\. .*: logfold rebuild job\. Set create: true on the view, .*kafka-topics\.sh/,
      )
      const told = { answer: '503 topic-missing', detail: problem, remedy: String(remedy) }
      const readyz = `503 [-] view job serves: ${problem}`
      expect(await product.meets()).toEqual({ state: 'waiting', problem, next: [remedy], readyz, get: told, put: told })
      expect(await product.follow(BY_REBUILD)).toBe(2)
      expect(await product.put('one', 2)).toBe('200')
      expect(await product.meets()).toEqual(metWell('200 2'))
    })
  })

  it.each([
    ['while it runs', 'grown-at-once'],
    ['and logfold started again', 'grown-before'],
  ])('its topic got more partitions, %s', async (when, topic) => {
    const [copied, count] = [`${topic}-and-copied`, 4]
    const moves = (id: string): boolean => partitioners.murmur2(Buffer.from(id), PARTITIONS) !== partitioners.murmur2(Buffer.from(id), count)
    const id = Array.from({ length: 100 }, (_, nth) => `id-${nth}`).find(moves) ?? ''
    const copyRemedy =
      'Copy the records, by their times, into a new topic with 4 partitions, and name that and its partitions in the config (logfold reload)'
    await using products = productsOn(topic)
    const copy = async (): Promise<void> => {
      const lines = await kcat(['-b', kafka.bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%T %k:%s\n'])
      await make(copied, { 'cleanup.policy': 'compact' }, count)
      const byTime = lines
        .split('\n')
        .filter(line => line !== '')
        .toSorted()
        .map(line => line.slice(line.indexOf(' ') + 1))
      await produce(copied, byTime, 'murmur2_random')
    }
    const follows = async (product: Product): Promise<void> => {
      await produce(topic, [`${id}:2`], 'murmur2_random')
      await copy()
      products.configure({ views: { job: { topic: copied, partitions: count, backend: 'local' } } })
      expect(await product.follow(`${copyRemedy}. ${BY_REBUILD}`)).toBe(2)
      expect(await product.meets(id)).toEqual(metWell('200 2'))
    }
    await products.during([], async product => {
      await product.ready()
      expect(await product.put(id, 1)).toBe('200')
      await administer(kafka.bootstrap, admin => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
      const reason = `The topic ${topic} now has 4 partitions instead of 2`
      const remedy = `Keys have moved between partitions, so no order holds between old and new records. ${copyRemedy}. ${BY_REBUILD}`
      expect(await product.stopped()).toEqual({ code: 'topic-mismatch', reason, remedy })
      expect(await product.meets(id)).toEqual(metStopped(reason, remedy, '200 1'))
      if (when === 'while it runs') await follows(product)
    })
    if (when === 'while it runs') return
    await products.during([], async product => {
      const problem = `The topic ${topic} has 4 partitions, not 2`
      const ofTopic = `Set partitions: 4 in the config, if the topic always had them, or name another topic. Where partitions were added, keys have moved, and no order holds between old and new records: ${copyRemedy}`
      const remedy = `The view goes on by itself once its topic is as it was. ${BY_REBUILD}. ${ofTopic}`
      expect(await product.logged('The view waits for its topic')).toMatchObject({ code: 'topic-mismatch', cause: problem, remedy })
      const told = { answer: '503 topic-mismatch', detail: problem, remedy }
      const readyz = `503 [-] view job serves: ${problem}`
      expect(await product.meets(id)).toEqual({ state: 'waiting', problem, next: [remedy], readyz, get: told, put: told })
      await follows(product)
    })
  })

  const produce = (topic: string, lines: readonly string[], partitioner: string): Promise<string> =>
    kcat(['-b', kafka.bootstrap, '-P', '-t', topic, '-K', ':', '-X', `partitioner=${partitioner}`], `${lines.join('\n')}\n`)

  const elsewhere = Array.from({ length: 100 }, (_, nth) => `id-${nth}`)
    .filter(id => partitioners.crc32(Buffer.from(id), PARTITIONS) === 1 && partitioners.murmur2(Buffer.from(id), PARTITIONS) === 0)
    .slice(0, 10)
  const WRONG_PARTITION_REMEDY =
    "Name in the config, as the view's partitioner, what the topic's writers use (murmur2, crc32), and start logfold again. Where they use several, bring them into line, and name `any`, as the record stays: the view is then folded all the same, REST doesn't write to it, and records of one key in two partitions have no order"
  const wrongPartition = (offset: number): string =>
    `The record at 1:${offset} belongs to partition 0 by the view's partitioner, so whoever wrote it uses another one`

  it('kcat wrote its topic by CRC32', async () => {
    const topic = 'by-kcat'
    await make(topic)
    await kcat(['-b', kafka.bootstrap, '-P', '-t', topic, '-K', ':'], `${elsewhere.map(id => `${id}:1`).join('\n')}\n`)
    await using products = productsOn(topic)
    const [id = ''] = elsewhere
    await products.during([], async product => {
      expect(await product.stopped()).toEqual({ code: 'wrong-partition', reason: wrongPartition(0), remedy: WRONG_PARTITION_REMEDY })
      expect(await product.put('new', 1)).toEqual({ answer: '503 view-stopped', detail: wrongPartition(0), remedy: WRONG_PARTITION_REMEDY })
    })
    const product = await (await products.start('--set', 'views.job.partitioner=crc32')).ready()
    expect(await product.meets(id)).toEqual(metWell('200 1'))
  })

  it('kcat wrote to its topic by CRC32, and logfold by murmur2', async () => {
    const topic = 'by-both'
    await using products = productsOn(topic)
    const [id = ''] = elsewhere
    await products.during([], async product => {
      await product.ready()
      expect(await product.put('one', 1)).toBe('200')
      await kcat(['-b', kafka.bootstrap, '-P', '-t', topic, '-K', ':'], `${id}:1\n`)
      const offset = partitioners.murmur2(Buffer.from('one'), PARTITIONS)
      expect(await product.stopped()).toEqual({ code: 'wrong-partition', reason: wrongPartition(offset), remedy: WRONG_PARTITION_REMEDY })
      expect(await product.meets()).toEqual(metStopped(wrongPartition(offset), WRONG_PARTITION_REMEDY, '200 1'))
    })
    const product = await (await products.start('--set', 'views.job.partitioner=any')).ready()
    expect(await product.meets(id)).toEqual({ ...metWell('200 1'), put: expect.objectContaining({ answer: '405 view-read-only' }) })
    expect(await product.get('one')).toBe('200 1')
  })
})
