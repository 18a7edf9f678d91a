import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KafkaCluster, kcat, startKafka } from '../services/kafka.ts'
import { cities, differences, foldLines, type Line, writeLines } from './cities.ts'
import { foldTopic } from './kafka-fold.ts'
import { entriesOf, LOGFOLD, type Running, startLogfold, temporaryFolder } from './running.ts'

/** Each is written once; a third of them again, and a sixth is deleted: 100,000 records. */
const CITIES = 66_668
const TOPIC = 'job'

/** What becomes of some cities: all come, then some change and some go. What is there at the end depends on the order. */
function linesOf(from: number, to: number): readonly Line[] {
  const some = cities.slice(from, to)
  const set = some.map((city): Line => ({ id: String(city.cityId), value: { name: city.name, population: city.population } }))
  const changes = some.flatMap((city, at): readonly Line[] => {
    const id = String(city.cityId)
    if (at % 6 === 1) return [{ id, value: undefined }]
    return at % 3 === 0 ? [{ id, value: { name: city.name, population: city.population + 1 } }] : []
  })
  return [...set, ...changes]
}

describe('two workers and two API processes on Kafka', () => {
  const folder = temporaryFolder()
  const running = new Set<Running>()
  let kafka: KafkaCluster
  beforeAll(async () => {
    kafka = await startKafka()
  })
  afterAll(async () => {
    await Promise.all([...running].map(each => each.end('SIGKILL')))
    await kafka?.dispose()
    folder.remove()
  })

  const start = async (role: 'api' | 'worker'): Promise<Running> => {
    const args = ['-c', 'config/kafka-sqlite.yaml', '--set', `log.brokers=${kafka.bootstrap}`, '--role', role]
    const started = await startLogfold({ dataDir: folder.path, args })
    running.add(started)
    return started
  }
  const kill = async (worker: Running): Promise<void> => {
    running.delete(worker)
    await worker.end('SIGKILL')
  }

  it('fold what kcat and both APIs write at once, while a worker is killed and another joins: the view equals the fold by another client', async () => {
    const [first] = await Promise.all([start('worker'), start('worker')])
    const apis = await Promise.all([start('api'), start('api')])
    const third = CITIES / 4
    const byKcat = linesOf(0, 2 * third)
    const byApi = [linesOf(2 * third, 3 * third), linesOf(3 * third, CITIES)]
    expect([byKcat.length, byApi.flat().length]).toEqual([50_002, 50_002])

    const loads = byApi.map(async (lines, nth) => {
      const file = join(folder.path, `lines-${nth}.ndjson`)
      await writeLines(file, lines)
      await load(file, apis[nth]?.url ?? '')
    })
    const written = Promise.all([writeByKcat(kafka.bootstrap, byKcat), ...loads])
    await untilLagging(apis[0]?.adminUrl ?? '')
    await kill(first)
    await start('worker')
    await written

    const expected = foldLines([...byKcat, ...byApi.flat()])
    expect(differences(await foldTopic(kafka.bootstrap, TOPIC), expected)).toEqual([])
    for (const { url } of apis) {
      await expect.poll(async () => differences(await entriesOf(url, 'job'), expected), { timeout: 60_000, interval: 500 }).toEqual([])
    }
  })
})

async function load(file: string, url: string): Promise<void> {
  const child = spawn(process.execPath, [...LOGFOLD, 'load', 'job', file, '--url', url], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-5_000)
  })
  const [code] = await once(child, 'exit')
  expect(code, said).toBe(0)
}

/** As other teams write: librdkafka, told to choose partitions as Java does. An empty value is a tombstone (-Z). */
async function writeByKcat(bootstrap: string, lines: readonly Line[]): Promise<void> {
  const input = lines.map(({ id, value }) => `${id}\t${value === undefined ? '' : JSON.stringify(value)}\n`).join('')
  await kcat(['-b', bootstrap, '-P', '-t', TOPIC, '-K', '\t', '-Z', '-X', 'partitioner=murmur2_random'], input)
}

async function untilLagging(adminUrl: string): Promise<void> {
  for (;;) {
    const { lagRecords } = (await (await fetch(`${adminUrl}/admin/views/job`)).json()) as { lagRecords: number | null }
    if (lagRecords !== null && lagRecords > 0) return
    await wait(5)
  }
}
