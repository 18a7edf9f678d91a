import { join } from 'node:path'
import { expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import type { Generation } from '../src/model/generation.ts'
import type { Log, Topic } from '../src/model/log.ts'
import { partitioners } from '../src/model/partitioner.ts'
import { DeadLetters } from '../src/pipeline/dead-letters.ts'
import type { FoldRules } from '../src/pipeline/fold.ts'
import { ViewPipeline } from '../src/pipeline/view-pipeline.ts'
import { type RunOptions, Verify } from '../src/verify/verify.ts'
import { del, set } from './contract/backend/folding.ts'
import { LogFolder } from './support/embedded-log.ts'
import { hookedLog } from './support/hooked.ts'
import { entries, until } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'
import { held, report, told } from './support/verify-world.ts'

const PARTITIONS = 3
const SHARDS = ['a', 'b', 'c']
const rules: FoldRules = { format: 'json', schema: undefined, partitioner: { partitions: PARTITIONS, partitionOf: partitioners.murmur2 } }

/** A view on a real log: what reads it and what folds it are as in the product. */
async function embeddedWorld(log: Log): Promise<
  AsyncDisposable & {
    readonly topic: Topic
    readonly backend: MemoryBackend
    readonly generation: Generation
    write(key: string, value: string | null): Promise<void>
    caughtUp(): Promise<void>
    options(path: string): Omit<RunOptions, 'repair' | 'rate'>
  }
> {
  const topic = await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: true })
  const dead = await log.topic({ name: 'job.dead', partitions: 1, replication: 1, create: true })
  const backend = new MemoryBackend(SHARDS)
  const generation: Generation = {
    view: 'job',
    number: 1,
    partitions: PARTITIONS,
    format: 'json',
    ordered: false,
    uid: 'job@1',
    logId: log.logId,
    topicId: topic.id,
    definitionHash: 'd',
  }
  const deadLetters = new DeadLetters(log, dead, { topicId: topic.id, generation: generation.number }, quiet)
  const ignore = (): void => undefined
  const options = { log, topic, generation, backend, rules, deadLetters, group: 'job@1', metrics: new Metrics('test'), logger: quiet }
  const pipeline = new ViewPipeline({ ...options, applied: ignore, mayOpen: async () => true, stopped: ignore, failed: ignore })
  await pipeline.start()
  const writer = log.writer(topic)
  return {
    topic,
    backend,
    generation,
    async write(key, value) {
      const bytes = Buffer.from(key)
      const record = { partition: partitioners.murmur2(bytes, PARTITIONS), key: bytes, value: value === null ? null : Buffer.from(value) }
      expect(await writer.append([record], 5_000)).toMatchObject([{ kind: 'appended' }])
    },
    caughtUp: () =>
      until(async () => {
        const ends = await log.endOffsets(topic)
        for (const shard of SHARDS) expect(await backend.reader(generation).vouched(shard)).toEqual(ends)
        for (const shard of SHARDS) expect(await backend.reader(generation).filled(shard)).toBe(true)
      }),
    options: path => ({ ...options, holdRules: held(rules), path }),
    async [Symbol.asyncDispose]() {
      await pipeline.stop()
      await deadLetters.close()
    },
  }
}

it('a view on the embedded log is verified and mended while it is written to and the log is compacted', async () => {
  await using folder = await LogFolder.make()
  const log = await folder.open()
  await using world = await embeddedWorld(log)
  const { backend, generation } = world
  const expected = new Map<string, string>()
  const write = async (nth: number): Promise<void> => {
    const key = `key-${nth % 300}`
    const value = nth % 7 === 0 ? null : `{"written":${nth}}`
    await world.write(key, value)
    if (value === null) expected.delete(key)
    else expected.set(key, value)
  }
  for (let nth = 0; nth < 300; nth++) await write(nth)
  await world.caughtUp()
  const ruin = async (shard: string, ops: Parameters<typeof del>[] | Parameters<typeof set>[]): Promise<void> => {
    const answer = await backend.writer(generation).checkpoints(shard)
    const checkpoint = answer.kind === 'open' ? answer.checkpoints[0] : undefined
    if (checkpoint === undefined) throw new Error('not open')
    const all = ops.map(op => (op.length === 1 ? del(...(op as Parameters<typeof del>)) : set(...(op as Parameters<typeof set>))))
    expect(
      await backend.writer(generation).apply(shard, { partition: 0, from: checkpoint.position, vouched: checkpoint.vouched, checkpoint, ops: all }),
    ).toEqual({
      kind: 'applied',
    })
  }
  // Never written again while verify runs.
  await world.write('still', '"still"')
  expected.set('still', '"still"')
  await world.caughtUp()
  await ruin(backend.owner('still'), [['still', '"changed"']])
  await ruin(backend.owner('ghost'), [['ghost', '1']])
  let writing = true
  const busy = (async () => {
    for (let nth = 300; writing; nth++) {
      await write(nth)
      if (nth % 100 === 0) await log.compactNow([world.topic])
    }
  })()
  const verify = new Verify({ ...world.options(join(folder.folder, 'verify.sqlite')), pageEntries: 20 })
  for (let round = 0; round < 3; round++) {
    verify.start({ repair: true, rate: 1_000_000 })
    const done = await report(verify)
    expect([done.phase, done.failure]).toEqual(['done', null])
    const lines = [`different still on ${backend.owner('still')}`, `extra ghost on ${backend.owner('ghost')}`]
    expect(told(done).map(line => line.split(' at ')[0])).toEqual(round === 0 ? lines : [])
  }
  writing = false
  await busy
  await world.caughtUp()
  expect(await entries(backend, generation)).toEqual(Object.fromEntries(expected))
}, 60_000)

it('deletes that the embedded log removed while verify was folding are not missed', async () => {
  await using folder = await LogFolder.make()
  const log = await folder.open({ deleteRetentionMs: 0 })
  await using world = await embeddedWorld(log)
  for (let nth = 0; nth < 30; nth++) await world.write(`key-${nth}`, '1')
  await world.caughtUp()
  let reads = 0
  const hooked = hookedLog(log, async () => {
    if (++reads !== 2) return
    for (let nth = 0; nth < 30; nth++) await world.write(`key-${nth}`, null)
    await world.write('last', '1')
    await world.caughtUp()
    // The first pass stamps the deletes, the second removes them.
    await log.compactNow([world.topic])
    await log.compactNow([world.topic])
  })
  const verify = new Verify({ ...world.options(join(folder.folder, 'verify.sqlite')), log: hooked })
  verify.start({ repair: true })
  const done = await report(verify)
  expect(told(done)).toEqual([])
  expect(done).toMatchObject({ phase: 'done', left: 0 })
  expect(await entries(world.backend, world.generation)).toEqual({ last: '1' })
}, 60_000)
