import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import type { Generation } from '../src/model/generation.ts'
import type { GroupMember, Membership, MissingDeletes, Topic } from '../src/model/log.ts'
import { folded, until, usePipelines } from './support/pipeline.ts'
import { ScriptedLog } from './support/scripted-log.ts'

const start = usePipelines()

/** Gives each process that joins the partitions that the test says. */
class SplitLog extends ScriptedLog {
  readonly assignments: number[][] = []
  readonly expired = new Set<number>()

  override async join(_group: string, _topic: Topic, member: GroupMember): Promise<Membership> {
    const partitions = this.assignments.shift() ?? []
    member.assigned(partitions)
    return { leave: () => member.revoked(partitions) }
  }

  override async missingDeletes(topic: Topic, partition: number, since: Parameters<ScriptedLog['missingDeletes']>[2]): Promise<MissingDeletes> {
    if (since.position > 0 && this.expired.has(partition)) return 'possible'
    return super.missingDeletes(topic, partition, since)
  }
}

/** Counts how often a shard is opened. */
class CountingBackend extends MemoryBackend {
  opened = 0

  override admin(generation: Generation): ReturnType<MemoryBackend['admin']> {
    const admin = super.admin(generation)
    const open = admin.open.bind(admin)
    admin.open = async (shard, how) => {
      this.opened++
      return open(shard, how)
    }
    return admin
  }
}

/** Keeps what its shards have answered to batches. */
class AnsweringBackend extends MemoryBackend {
  readonly answers: string[] = []

  override writer(generation: Generation): ReturnType<MemoryBackend['writer']> {
    const writer = super.writer(generation)
    const apply = writer.apply.bind(writer)
    writer.apply = async (shard, batch) => {
      const outcome = await apply(shard, batch)
      this.answers.push(`${shard} ${batch.from}-${batch.checkpoint.position} ${outcome.kind}`)
      return outcome
    }
    return writer
  }
}

describe('a shard whose deletes may be missing', () => {
  it('is emptied by the worker of partition 0, also where the partition is another one’s', async () => {
    const log = new SplitLog()
    log.assignments.push([0, 1])
    const first = await start({ log, partitions: 2 })
    first.topic.put(0, 'a', '1')
    first.topic.put(1, 'gone', '1')
    await first.pipeline.start()
    await folded(first, { a: '1', gone: '1' })
    await first.stop()
    first.topic.put(1, 'gone', null)
    first.topic.put(1, 'last', '1')
    first.topic.remove(1, 0)
    first.topic.remove(1, 1)
    log.expired.add(1)
    log.assignments.push([1], [0])
    const one = await start({ log, partitions: 2, backend: first.backend })
    await one.pipeline.start()
    await until(() => expect(one.pipeline.status().shards).toMatchObject([{ state: 'waiting', detail: expect.stringContaining('missed deletes') }]))
    const zero = await start({ log, partitions: 2, backend: first.backend })
    await zero.pipeline.start()
    await folded(zero, { a: '1', last: '1' })
    await until(() => expect(one.pipeline.status().shards).toMatchObject([{ state: 'up' }]))
  })

  it('is emptied once, however many of its partitions say so', async () => {
    const log = new SplitLog()
    const partitions = [0, 1, 2, 3, 4, 5]
    log.assignments.push(partitions, partitions)
    const backend = new CountingBackend(['a'])
    const first = await start({ log, partitions: 6, backend })
    for (const partition of partitions) first.topic.put(partition, `k${partition}`, '1')
    const all = Object.fromEntries(partitions.map(partition => [`k${partition}`, '1']))
    await first.pipeline.start()
    await folded(first, all)
    await first.stop()
    for (const partition of partitions) log.expired.add(partition)
    // Each learns it when the others have already had the shard opened.
    const ask = log.missingDeletes.bind(log)
    log.missingDeletes = async (topic, partition, since) => {
      const answer = await ask(topic, partition, since)
      await new Promise(resolve => setTimeout(resolve, partition * 10))
      return answer
    }
    backend.opened = 0
    const second = await start({ log, partitions: 6, backend })
    await second.pipeline.start()
    await until(() => expect(second.pipeline.unready()).toBe(undefined))
    await folded(second, all)
    expect(backend.opened).toBe(1)
  })
})

it('a bug that the log’s code meets, when it is asked for missing deletes in another’s partition, stops the view', async () => {
  const log = new SplitLog()
  log.assignments.push([0])
  const test = await start({ log, partitions: 2 })
  const asked = log.missingDeletes.bind(log)
  const thrown = new TypeError('odd')
  log.missingDeletes = async (topic, partition, since) => {
    if (partition === 1) throw thrown
    return await asked(topic, partition, since)
  }
  await test.pipeline.start()
  await until(() => expect(test.stopped).toMatchObject([{ code: 'internal', cause: thrown }]))
})

describe('a shard that catches up behind a hole', () => {
  it('makes the others take back nothing that they have vouched for', async () => {
    const log = new ScriptedLog()
    const test = await start({ log, shards: ['a', 'b'] })
    const backend = test.backend as MemoryBackend
    for (let at = 0; at < 30; at++) test.topic.put(0, `k${at % 10}`, String(at))
    for (let at = 5; at < 15; at++) test.topic.remove(0, at)
    await test.pipeline.start()
    await until(async () => expect(await backend.reader(test.generation).vouched('a')).toEqual([30]))
    const writer = backend.writer(test.generation)
    const vouched: number[] = []
    const watching = new AbortController()
    const watch = (async () => {
      while (!watching.signal.aborted) {
        const found = await writer.checkpoints('a')
        if (found.kind === 'open') vouched.push(found.checkpoints[0]?.vouched ?? -1)
        await new Promise(setImmediate)
      }
    })()
    backend.faults('b').lose()
    // Records come all the time, so that the hole's end is ahead of whoever catches up.
    await until(async () => {
      test.topic.put(0, 'busy', '1')
      log.wake()
      expect(await backend.reader(test.generation).filled('b')).toBe(true)
    })
    watching.abort()
    await watch
    expect(vouched).toEqual(vouched.toSorted((one, other) => one - other))
  })
})

it('a shard that catches up with others whose dead letters are just being written joins them where they will stand', async () => {
  const backend = new AnsweringBackend(['a', 'b'])
  const test = await start({ backend })
  const { topic, log, deadLetters } = test
  const standAt = (shard: string, position: number) =>
    until(async () => expect(await backend.reader(test.generation).vouched(shard)).toEqual([position]))
  topic.put(0, 'k0', '0')
  await test.pipeline.start()
  await standAt('b', 1)
  backend.faults('b').away = true
  topic.put(0, 'k1', '1')
  log.wake()
  await standAt('a', 2)
  await until(() => expect(backend.answers).toContain('b 1-2 unavailable'))

  const writing = Promise.withResolvers<void>()
  const written = Promise.withResolvers<void>()
  const add = deadLetters.add.bind(deadLetters)
  let held = false
  deadLetters.add = async (partition, faulty, signal) => {
    if (faulty.length > 0 && !held) {
      held = true
      writing.resolve()
      await written.promise
    }
    return add(partition, faulty, signal)
  }
  topic.put(0, 'k2', '{')
  log.wake()
  await writing.promise
  backend.answers.length = 0
  backend.faults('b').away = false
  await until(() => expect(backend.answers).toContainEqual(expect.stringMatching(/^b 1-. applied$/)))
  written.resolve()
  await standAt('a', 3)
  topic.put(0, 'k3', '3')
  log.wake()
  await standAt('a', 4)
  await standAt('b', 4)
  expect(backend.answers.filter(answer => !answer.endsWith('applied'))).toEqual([])
})

describe('a shard that is exchanged for another while it is asked', () => {
  it('stops the view, whoever finds it', async () => {
    const log = new SplitLog()
    log.assignments.push([0])
    const backend = new CountingBackend(['a'])
    const test = await start({ log, partitions: 2, backend })
    await test.pipeline.start()
    await until(async () => expect(await backend.reader(test.generation).filled('a')).toBe(true))
    // Partition 1 is another worker's, which has missed deletes; and just when the shard is to be emptied for that, it isn't the same any more.
    await backend.writer(test.generation).apply('a', {
      partition: 1,
      from: 0,
      vouched: 0,
      checkpoint: { position: 1, vouched: 1, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 },
      ops: [],
    })
    const asked = log.missingDeletes.bind(log)
    log.missingDeletes = async (topic, partition, since) => {
      if (partition !== 1) return asked(topic, partition, since)
      backend.faults('a').lose()
      await backend.admin({ ...test.generation, uid: 'another' }).open('a')
      return 'possible'
    }
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['foreign-store']))
    await test.stop()
  })
})
