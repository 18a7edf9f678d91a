import kafkajs from 'kafkajs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Broker, type KafkaCluster, kcat, startKafka } from '../services/kafka.ts'
import { administer } from '../support/kafka-reading.ts'
import { type Answer, onKafka, type ProcessOptions, put } from './kafka-processes.ts'
import { type Ended, type Running, temporaryFolder } from './running.ts'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs

const PARTITIONS = 10
/** How long a write is tried, and how much later its answer may be on a busy machine: it may be waited for until it is visible, too. */
const APPEND_MS = 10_000
const LATE_MS = 2_000

describe('logfold on a Kafka that goes away:', () => {
  let kafka: KafkaCluster
  let names = 0
  let topic: string
  let folder: ReturnType<typeof temporaryFolder>
  const processes = new Set<Running>()

  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(() => kafka?.dispose())
  beforeEach(async () => {
    topic = `job-${names++}`
    folder = temporaryFolder()
    if (!broker().running) await broker().start()
  })
  afterEach(async () => {
    await Promise.all([...processes].map(each => each.end('SIGKILL')))
    processes.clear()
    folder.remove()
  })

  /** How a process ends that was asked to. */
  const ZERO = { code: 0, signal: null, tookMs: expect.toSatisfy(ms => ms < 15_000) }
  const endsIn = async (process: Running): Promise<Ended & { readonly tookMs: number }> => {
    const askedMs = performance.now()
    return { ...(await process.end('SIGTERM')), tookMs: performance.now() - askedMs }
  }

  const broker = (): Broker => {
    const [first] = kafka.brokers
    if (first === undefined) throw new Error('There is a broker')
    return first
  }
  /** Of this test's own topic, group and store. */
  const start = async (role: ProcessOptions['role'], others: readonly string[] = []): Promise<Running> => {
    const views = others.flatMap(view => ['--set', `views.${view}={topic: ${topic}, partitions: ${PARTITIONS}, backend: local}`])
    const args = ['--set', `views.job.topic=${topic}`, '--set', `log.namespace=${topic}`, ...views]
    const started = onKafka({ bootstrap: kafka.bootstrap, dataDir: folder.path, role, args })
    processes.add(started)
    return await started.listens()
  }
  const both = async (): Promise<{ readonly api: Running; readonly worker: Running }> => {
    const [api, worker] = await Promise.all([start('api'), start('worker')])
    await Promise.all([api.ready(), worker.ready()])
    return { api, worker }
  }
  const untilWritten = async (api: Running, id: string, value: unknown): Promise<void> => {
    await expect.poll(async () => (await put(api.url, 'job', id, value)).status, { timeout: 60_000, interval: 100 }).toBe(200)
  }
  const get = async (api: Running, id: string): Promise<unknown> => {
    const response = await fetch(`${api.url}/api/job/${id}`)
    const body: unknown = await response.json()
    return [response.status, body]
  }
  /** What another client finds of some ids: `partition:offset value` each. */
  const inLog = async (...ids: readonly string[]): Promise<readonly (readonly string[])[]> => {
    const lines = await kcat(['-b', kafka.bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%k\t%p:%o %s\n'])
    const found = Map.groupBy(lines.split('\n'), line => line.split('\t', 1)[0])
    return ids.map(id => (found.get(id) ?? []).map(line => line.slice(id.length + 1)))
  }

  it('killed with -9: writes are refused at once, reads go on, and all comes back by itself', async () => {
    const { api } = await both()
    const before = await put(api.url, 'job', 'before', 1)
    expect(before).toMatchObject({ status: 200 })
    await broker().kill()
    // The first ones may find out.
    await expect.poll(async () => (await put(api.url, 'job', 'lost', 1)).code).toBe('log-unavailable')
    const refused = await Promise.all(Array.from({ length: 20 }, (_, nth) => put(api.url, 'job', `refused-${nth}`, nth)))
    expect(new Set(refused.map(({ status, code }) => `${status} ${code}`))).toEqual(new Set(['503 log-unavailable']))
    expect(Math.max(...refused.map(({ tookMs }) => tookMs))).toBeLessThan(1_000)
    expect(refused.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true)
    expect(await get(api, 'before')).toEqual([200, 1])
    await broker().start()
    await untilWritten(api, 'after', 2)
    expect([await get(api, 'before'), await get(api, 'after')]).toEqual([
      [200, 1],
      [200, 2],
    ])
    expect(await inLog('before', ...refused.map((_, nth) => `refused-${nth}`))).toEqual([[`${before.place} 1`], ...refused.map(() => [])])
  })

  it('frozen: a write under way is unknown after 10 s, later ones are refused at once, reads go on, and all comes back by itself', async () => {
    const { api } = await both()
    await untilWritten(api, 'before', 1)
    broker().freeze()
    try {
      const underWay = put(api.url, 'job', 'under-way', 2)
      expect(await get(api, 'before')).toEqual([200, 1])
      const unknown = await underWay
      expect(unknown).toMatchObject({ status: 504, code: 'outcome-unknown' })
      expect(unknown.tookMs).toBeGreaterThan(APPEND_MS - 100)
      expect(unknown.tookMs).toBeLessThan(APPEND_MS + LATE_MS)
      await expect.poll(async () => (await put(api.url, 'job', 'lost', 1)).code, { timeout: 30_000 }).toBe('log-unavailable')
      const known = await put(api.url, 'job', 'refused', 1)
      expect(known).toMatchObject({ status: 503, code: 'log-unavailable' })
      expect(known.tookMs).toBeLessThan(1_000)
      expect(await get(api, 'before')).toEqual([200, 1])
    } finally {
      broker().thaw()
    }
    await untilWritten(api, 'after', 3)
    const [ofRefused, ofUnderWay = []] = await inLog('refused', 'under-way')
    expect(ofRefused).toEqual([])
    expect(ofUnderWay.length).toBeLessThanOrEqual(1)
    expect(await get(api, 'after')).toEqual([200, 3])
  })

  it('away when they start: they start, say so, and serve once it is there', async () => {
    await broker().kill()
    const [api, worker] = await Promise.all([start('api'), start('worker')])
    await Promise.all([api.logged('Kafka is away; trying on'), worker.logged('Kafka is away; trying on')])
    expect(await put(api.url, 'job', 'early', 1)).toMatchObject({ status: 503, code: 'log-unavailable' })
    expect((await fetch(`${api.adminUrl}/livez`)).status).toBe(200)
    const readyz = await fetch(`${api.adminUrl}/readyz`)
    expect([readyz.status, await readyz.text()]).toEqual([503, expect.stringContaining('Kafka')])
    await broker().start()
    await Promise.all([api.ready(), worker.ready()])
    expect(await put(api.url, 'job', 'served', 2)).toMatchObject({ status: 200 })
    expect([await get(api, 'served'), await get(api, 'early')]).toEqual([
      [200, 2],
      [404, expect.objectContaining({ code: 'no-such-entry' })],
    ])
  })

  it('SIGTERM while there is work: an API answers what was begun, a worker leaves; both end with 0', async () => {
    const { api, worker } = await both()
    const answers: Promise<Answer | undefined>[] = []
    const write = (nth: number): Promise<Answer | undefined> => put(api.url, 'job', `id-${nth}`, nth).catch(() => undefined)
    for (let nth = 0; nth < 200; nth++) answers.push(write(nth))
    await answers[0]
    const ended = await Promise.all([endsIn(api), endsIn(worker)])
    expect(ended).toEqual([ZERO, ZERO])
    expect(Math.max(...ended.map(({ tookMs }) => tookMs))).toBeLessThan(6_000)
    const told = await Promise.all(answers)
    const acknowledged = told.flatMap((answer, nth) => (answer?.place === undefined ? [] : [{ nth, place: answer.place }]))
    expect(acknowledged.length).toBeGreaterThan(0)
    expect(await inLog(...acknowledged.map(({ nth }) => `id-${nth}`))).toEqual(acknowledged.map(({ nth, place }) => [`${place} ${nth}`]))
    // A connection that was closed before its request was read has no answer; whoever has one was told what became of it.
    const others = told.flatMap(answer => (answer === undefined || answer.place !== undefined ? [] : [answer.code]))
    expect(others.filter(code => code !== 'closing')).toEqual([])
  })

  it('SIGTERM while Kafka is killed: both end at once with 0', async () => {
    const { api, worker } = await both()
    await broker().kill()
    await expect.poll(async () => (await put(api.url, 'job', 'lost', 1)).code).toBe('log-unavailable')
    const ended = await Promise.all([endsIn(api), endsIn(worker)])
    expect(ended, api.stderr + worker.stderr).toEqual([ZERO, ZERO])
    expect(Math.max(...ended.map(({ tookMs }) => tookMs))).toBeLessThan(6_000)
  })

  it('SIGTERM while Kafka is frozen: the write under way is told that its outcome is unknown, and both end with 0', async () => {
    const { api, worker } = await both()
    await untilWritten(api, 'before', 1)
    broker().freeze()
    try {
      const underWay = put(api.url, 'job', 'under-way', 2)
      // Answered while the write waits: the API has taken it.
      expect(await get(api, 'before')).toEqual([200, 1])
      const ended = await Promise.all([endsIn(api), endsIn(worker)])
      expect(ended, api.stderr + worker.stderr).toEqual([ZERO, ZERO])
      expect(await underWay).toMatchObject({ status: 504, code: 'outcome-unknown' })
    } finally {
      broker().thaw()
    }
  })

  it('SIGTERM while Kafka is frozen: a worker of many views takes no longer than one of one view', async () => {
    const worker = await start('worker', ['b', 'c', 'd', 'e', 'f', 'g'])
    await worker.ready()
    broker().freeze()
    try {
      expect(await endsIn(worker), worker.stderr).toEqual(ZERO)
    } finally {
      broker().thaw()
    }
  })

  it('a worker that is killed with -9 is replaced by another', async () => {
    const [api, one, other] = await Promise.all([start('api'), start('worker'), start('worker')])
    await Promise.all([api.ready(), one.ready(), other.ready()])
    await Promise.all([one.logged('Folding'), other.logged('Folding')])
    await one.end('SIGKILL')
    processes.delete(one)
    const killedMs = performance.now()
    const ids = Array.from({ length: 5 * PARTITIONS }, (_, nth) => `id-${nth}`)
    await Promise.all(ids.map(id => put(api.url, 'job', id, 1)))
    const visible = async (): Promise<number> => Object.keys((await (await fetch(`${api.url}/api/job`)).json()) as object).length
    await expect.poll(visible, { timeout: 30_000, interval: 100 }).toBe(ids.length)
    const tookMs = performance.now() - killedMs
    console.log(`a killed worker was replaced after ${Math.round(tookMs)} ms`)
    // The session, which began with the last heartbeat before the kill; the rebalance; and what the machine takes.
    expect(tookMs).toBeLessThan(10_000 + 5_000)
  })
})

describe('a worker that Kafka doesn’t let into its group', () => {
  it('ends with a message', async () => {
    await using kafka = await startKafka({
      listeners: { SASL: 'SASL_PLAINTEXT' },
      properties: {
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS',
        'sasl.enabled.mechanisms': 'PLAIN',
        'listener.name.sasl.plain.sasl.jaas.config': 'org.apache.kafka.common.security.plain.PlainLoginModule required user_worker="secret";',
      },
    })
    await allow(kafka.bootstrap)
    const folder = temporaryFolder()
    try {
      const args = ['--set', 'log.sasl={mechanism: plain, username: worker, password: secret}']
      const bootstrap = kafka.brokers[0]?.addresses.SASL ?? ''
      const worker = onKafka({ bootstrap, dataDir: folder.path, role: 'worker', args })
      expect(await worker.ended).toMatchObject({ code: 69, signal: null })
      const error = worker.stderr.slice(worker.stderr.indexOf('error: '))
      // Of the two that it joins, whichever it comes to first.
      const [group = ''] = /logfold\.job(@1|\.keeper)/.exec(error) ?? []
      expect(error.split('\n')).toEqual([
        `error: Kafka does not let this process into the group ${group}: Not authorized to access group: Group authorization failed`,
        `Allow it: kafka-acls.sh --bootstrap-server ${bootstrap} --add --allow-principal User:worker --operation Read --group ${group}`,
        '',
      ])
    } finally {
      folder.remove()
    }
  })
})

/** `worker` may do everything with topics, and nothing with groups. */
async function allow(bootstrap: string): Promise<void> {
  const acl = {
    resourceType: AclResourceTypes.TOPIC,
    resourceName: '*',
    resourcePatternType: ResourcePatternTypes.LITERAL,
    principal: 'User:worker',
    host: '*',
    operation: AclOperationTypes.ALL,
    permissionType: AclPermissionTypes.ALLOW,
  }
  await administer(bootstrap, admin => admin.createAcls({ acl: [acl] }))
}
