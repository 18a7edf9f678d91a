import { afterEach, beforeEach, expect, it } from 'vitest'
import type { EmbeddedLog } from '../src/log/embedded/log.ts'
import type { Topic } from '../src/model/log.ts'
import { startWorld, type World } from './support/api-world.ts'
import { LogFolder } from './support/embedded-log.ts'
import { request } from './support/raw-request.ts'

let folder: LogFolder
let log: EmbeddedLog
let topic: Topic
let world: World

beforeEach(async () => {
  folder = await LogFolder.make()
  world = await startWorld({ definition: { partitions: 3 } })
  log = await folder.open()
  topic = await log.topic({ name: 'job', partitions: 3, replication: 1, create: true })
  const writer = log.writer(topic)
  world.view.source = () => ({ log, topic, writer, group: 'logfold.job@1' })
})
afterEach(async () => {
  await world[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** What the log holds, as a map. */
const folded = async (): Promise<ReadonlyMap<string, string>> => {
  const entries = new Map<string, string>()
  for (const [partition, end] of (await log.endOffsets(topic)).entries()) {
    const reader = log.reader(topic, partition, 0)
    for (let position = 0; position < end; ) {
      const stretch = await reader.next(1000)
      const cursor = stretch.records()
      while (cursor.next()) {
        const text = (start: number, to: number): string => Buffer.from(cursor.buffer.subarray(start, to)).toString()
        const id = text(cursor.keyStart, cursor.keyEnd)
        if (cursor.valueEnd < 0) entries.delete(id)
        else entries.set(id, text(cursor.valueStart, cursor.valueEnd))
      }
      position = stretch.next
    }
    reader.close()
  }
  return entries
}

it('what is answered is in the embedded log, byte for byte, in order, and at the place that was told', async () => {
  const expected = new Map<string, string>()
  const lines: string[] = []
  for (let n = 0; n < 2500; n++) {
    const id = `id-${n % 900}`
    const value = n % 7 === 0 ? 'null' : `{"n": ${n}, "big":900719925474099300${n % 10}, "é":"${'x'.repeat(n % 300)}"}`
    lines.push(`{"id":"${id}","value":${value}}\n`)
    if (value === 'null') expected.delete(id)
    else expected.set(id, value)
  }
  const headers = { 'Content-Type': 'application/x-ndjson' }
  const bulk = await request(world.port, '/api/job', { method: 'POST', headers, body: lines.join('') })
  const places: string[] = bulk.body
    .toString()
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).offset)
  expect(places.length).toBe(2500)
  const put = await request(world.port, '/api/job/id-5', {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', Prefer: 'respond-async' },
    body: '"last"',
  })
  expected.set('id-5', '"last"')
  const ends = await log.endOffsets(topic)
  const told = new Map<number, number>()
  for (const place of [...places, String(JSON.parse(put.body.toString()).offset)]) {
    const [partition = -1, offset = -1] = place.split(':').map(Number)
    told.set(partition, offset)
  }
  expect([0, 1, 2].map(partition => (told.get(partition) ?? -1) + 1)).toEqual(ends)
  expect(ends.reduce((sum, end) => sum + end, 0)).toBe(2501)
  expect(new Map([...(await folded())].sort())).toEqual(new Map([...expected].sort()))
})

it('a write is not waited for while nobody folds, and one to a closed log says so', async () => {
  const options = { method: 'PUT', headers: { 'Content-Type': 'application/json', Prefer: 'wait=30' }, body: '1' }
  const answer = await request(world.port, '/api/job/a', options)
  expect([answer.status, answer.headers['preference-applied']]).toEqual([202, undefined])
  await log.close()
  const closed = await request(world.port, '/api/job/a', options)
  expect([closed.status, JSON.parse(closed.body.toString()).code]).toEqual([503, 'closing'])
})
