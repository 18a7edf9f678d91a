import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { spawnModule, startElsewhere } from '../services/elsewhere.ts'
import { kafkaTool, kcat, sharedKafka, startKafka } from '../services/kafka.ts'
import { brokersOf } from '../services/kafka-answers.ts'

const uniqueTopic = (): string => `services-${crypto.randomUUID()}`

async function makeTopic(bootstrap: string, ...args: readonly string[]): Promise<string> {
  const topic = uniqueTopic()
  await kafkaTool('kafka-topics', ['--bootstrap-server', bootstrap, '--create', '--topic', topic, ...args])
  return topic
}

const write = (bootstrap: string, topic: string, lines: string, ...args: readonly string[]) =>
  kcat(['-P', '-b', bootstrap, '-t', topic, ...args], lines)
const readAll = (bootstrap: string, topic: string) => kcat(['-C', '-b', bootstrap, '-t', topic, '-e', '-q'])

function javaHome(): string {
  const { JAVA_HOME } = process.env
  return JAVA_HOME ?? join(realpathSync(execFileSync('/bin/sh', ['-c', 'command -v java'], { encoding: 'utf8' }).trim()), '../..')
}

describe('the shared Kafka', () => {
  it('keeps what is written, and what a transaction commits', { tags: ['containers'] }, async () => {
    const bootstrap = sharedKafka()
    const topic = await makeTopic(bootstrap)
    await write(bootstrap, topic, 'a\nb\n')
    const perf = ['--topic', topic, '--num-records', '1', '--record-size', '3', '--throughput', '-1', '--transactional-id', topic]
    await kafkaTool('kafka-producer-perf-test', [...perf, '--bootstrap-server', bootstrap])
    expect(await readAll(bootstrap, topic)).toMatch(/^a\nb\n[A-Z]{3}\n$/)
    // Two records, one in a transaction, its marker.
    expect(await kafkaTool('kafka-get-offsets', ['--bootstrap-server', bootstrap, '--topic', topic])).toBe(`${topic}:0:4\n`)
  })

  it('makes no topic by itself', { tags: ['containers'] }, async () => {
    await expect(write(sharedKafka(), uniqueTopic(), 'a\n', '-X', 'message.timeout.ms=2000')).rejects.toThrow('ended with')
  })
})

describe('a Kafka that cannot be had', () => {
  const nothing = '/nothing-is-here'
  const bare = { PATH: nothing, HOME: nothing }
  const install = 'Set LOGFOLD_TEST_KAFKA=host:port[,host:port], or start a container engine, or install openjdk-17-jre-headless and maven.'

  it.each([
    ['there is no java on PATH', { LOGFOLD_TEST_SERVICES: 'native' }],
    ['no container engine answers', { LOGFOLD_TEST_SERVICES: 'containers', DOCKER_HOST: `unix://${nothing}/none.sock` }],
    ["LOGFOLD_TEST_KAFKA isn't set", { LOGFOLD_TEST_SERVICES: 'env' }],
    ["LOGFOLD_TEST_KAFKA isn't set; no container engine answers; there is no java on PATH", { DOCKER_HOST: `unix://${nothing}/none.sock` }],
  ])('is named, with what to do: %s', async (reasons, env) => {
    expect(await startElsewhere('kafka', { ...bare, ...env })).toBe(`The tests need Kafka, and can’t have it: ${reasons}. ${install}`)
  })

  it('is named where Maven is missing and the jars are not there', async () => {
    const cache = mkdtempSync(join(tmpdir(), 'logfold-test-cache-'))
    const env = { ...bare, LOGFOLD_TEST_SERVICES: 'native', LOGFOLD_TEST_CACHE: cache, JAVA_HOME: javaHome() }
    expect(await startElsewhere('kafka', env)).toBe(`The tests need Kafka, and can’t have it: there is no mvn on PATH, to bring the jars. ${install}`)
    rmSync(cache, { recursive: true })
  })

  it('is no other Kafka, where the one in the environment does not answer', async () => {
    const said = await startElsewhere('kafka', { ...bare, LOGFOLD_TEST_KAFKA: '127.0.0.1:1' })
    expect(said).toContain('Kafka for the tests (env): no Kafka answers at 127.0.0.1:1')
  })
})

describe('a Kafka of a test’s own', () => {
  it('is killed, and started again with its data on its port', async () => {
    await using kafka = await startKafka()
    const { bootstrap, brokers } = kafka
    const topic = await makeTopic(bootstrap)
    await write(bootstrap, topic, 'before\n')
    const pids: number[] = []
    for (const broker of brokers) {
      pids.push(broker.pid)
      await broker.kill()
      expect(broker.running).toBe(false)
      await expect(brokersOf(bootstrap)).rejects.toThrow()
      await broker.start()
      pids.push(broker.pid)
    }
    expect(new Set(pids).size).toBe(2)
    await write(bootstrap, topic, 'after\n')
    expect(await readAll(bootstrap, topic)).toBe('before\nafter\n')
  })

  it('answers nothing while it is frozen', async () => {
    await using kafka = await startKafka()
    const [broker] = kafka.brokers
    broker?.freeze()
    await expect(brokersOf(kafka.bootstrap)).rejects.toThrow()
    broker?.thaw()
    expect(await brokersOf(kafka.bootstrap)).toEqual([1])
  })

  it('of three brokers goes on when one is killed, and takes it back', async () => {
    await using kafka = await startKafka({ brokers: 3, properties: { 'min.insync.replicas': 2 } })
    const [first] = kafka.brokers
    const topic = await makeTopic(kafka.bootstrap, '--partitions', '3')
    await write(kafka.bootstrap, topic, 'a\nb\nc\n', '-X', 'acks=all')
    await first?.kill()
    await write(kafka.bootstrap, topic, 'd\ne\nf\n', '-X', 'acks=all')
    await first?.start()
    await first?.stop()
    await first?.start()
    const lines = (await readAll(kafka.bootstrap, topic)).trim().split('\n').sort()
    expect(lines).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  it('says why it does not start, and leaves no process', async () => {
    await expect(startKafka({ properties: { 'num.io.threads': 0 } })).rejects.toThrow(
      /^Kafka node 1 ended with 1 while it started:[\s\S]*num\.io\.threads/,
    )
  })

  it('is gone, with its data, when the run that started it is killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'logfold-test-killed-'))
    const code = `
      const { startKafka } = await import('./kafka-cluster.ts')
      const { brokers } = await startKafka()
      console.log(brokers[0].pid)
      setInterval(() => undefined, 1_000)`
    const child = spawnModule(code, { ...process.env, TMPDIR: folder })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    expect(process.kill(pid, 0)).toBe(true)
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^logfold-test-kafka-/)])
    child.kill('SIGKILL')
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout: 10_000 })
    await vi.waitFor(() => expect(readdirSync(folder)).toEqual([]), { timeout: 10_000 })
    rmSync(folder, { recursive: true })
  })
})
