import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import type { GroupMember, Membership, MissingDeletes, Topic } from '../src/model/log.ts'
import type { Generation } from '../src/model/view-backend.ts'
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
