import assert from 'node:assert/strict'
import type { GroupMember } from '../../../src/model/log.ts'
import type { LogSuiteOptions } from '../log-suite.ts'
import type { TestRunner } from '../runner.ts'
import { makeTopic, withLog } from './support.ts'

/** A member that remembers what it has, and can be waited for. */
export class RecordingMember implements GroupMember {
  readonly partitions = new Set<number>()
  #changed: () => void = () => undefined

  assigned(partitions: readonly number[]): void {
    for (const partition of partitions) this.partitions.add(partition)
    this.#changed()
  }

  async revoked(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.partitions.delete(partition)
    this.#changed()
  }

  failed(error: Error): void {
    throw error
  }

  /** Settles when it has so many partitions. */
  async has(count: number): Promise<void> {
    while (this.partitions.size !== count) {
      await new Promise<void>(resolve => {
        this.#changed = resolve
      })
    }
  }
}

export function groups({ describe, it }: TestRunner, options: LogSuiteOptions): void {
  describe('groups', () => {
    it(
      'a lone member gets every partition, and gives them up when it leaves',
      withLog(options, async ({ log }) => {
        const topic = await makeTopic(log, { partitions: 3 })
        const group = `g-${topic.name}`
        assert.equal(await log.members(group), 0)
        const member = new RecordingMember()
        const membership = await log.join(group, topic, member)
        await member.has(3)
        assert.deepEqual([...member.partitions].toSorted(), [0, 1, 2])
        assert.equal(await log.members(group), 1)
        await membership.leave()
        assert.equal(member.partitions.size, 0)
      }),
    )

    it(
      'each partition has one member, and when one leaves the other gets what it had',
      withLog(options, async ({ log, open }) => {
        const topic = await makeTopic(log, { partitions: 4 })
        const group = `g-${topic.name}`
        const other = await open()
        const sameTopic = await makeTopic(other, { name: topic.name, partitions: 4 })
        const [first, second] = [new RecordingMember(), new RecordingMember()]
        const membership = await log.join(group, topic, first)
        await first.has(4)
        await other.join(group, sameTopic, second)
        if (options.traits.assignment === 'shared') await Promise.all([first.has(2), second.has(2)])
        else assert.deepEqual([first.partitions.size, second.partitions.size], [4, 0])
        await membership.leave()
        await second.has(4)
        assert.equal(first.partitions.size, 0)
      }),
    )

    it(
      'a closed log is no member any more',
      withLog(options, async ({ log, open }) => {
        const topic = await makeTopic(log, { partitions: 2 })
        const group = `g-${topic.name}`
        const other = await open()
        const sameTopic = await makeTopic(other, { name: topic.name, partitions: 2 })
        const [first, second] = [new RecordingMember(), new RecordingMember()]
        await log.join(group, topic, first)
        await first.has(2)
        await log.close()
        assert.equal(first.partitions.size, 0)
        await other.join(group, sameTopic, second)
        await second.has(2)
      }),
    )
  })
}
