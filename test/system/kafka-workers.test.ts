import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KafkaCluster, startKafka } from '../services/kafka.ts'
import { differences, foldLines } from './cities.ts'
import { cityRecords, writeCityRecords } from './city-records.ts'
import { foldTopic } from './kafka-fold.ts'
import { entriesOf, type Running, startLogfold, temporaryFolder } from './running.ts'

const TOPIC = 'job'

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
    const records = cityRecords()
    expect([records.byKcat.length, records.byApi.flat().length]).toEqual([50_002, 50_002])
    const targets = apis.map(({ url }) => ({ view: 'job', url }))
    const written = writeCityRecords(records, { bootstrap: kafka.bootstrap, topic: TOPIC, apis: targets, folder: folder.path })
    await untilLagging(apis[0]?.adminUrl ?? '')
    await kill(first)
    await start('worker')
    await written

    const expected = foldLines([...records.byKcat, ...records.byApi.flat()])
    expect(differences(await foldTopic(kafka.bootstrap, TOPIC), expected)).toEqual([])
    for (const { url } of apis) {
      await expect.poll(async () => differences(await entriesOf(url, 'job'), expected), { timeout: 60_000, interval: 500 }).toEqual([])
    }
  })
})

async function untilLagging(adminUrl: string): Promise<void> {
  for (;;) {
    const { lagRecords } = (await (await fetch(`${adminUrl}/admin/views/job`)).json()) as { lagRecords: number | null }
    if (lagRecords !== null && lagRecords > 0) return
    await wait(5)
  }
}
