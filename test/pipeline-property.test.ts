import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MemoryBackend } from '../backends/memory/backend.ts'
import { entries, testPipeline, until } from './support/pipeline.ts'
import type { ScriptedTopic } from './support/scripted-log.ts'

type Step =
  | { readonly kind: 'put'; readonly key: number; readonly value: number | null }
  | { readonly kind: 'fault'; readonly shard: number; readonly fault: 'away' | 'back' | 'lose' | 'lost answer' }
  | { readonly kind: 'compact'; readonly offset: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'pause' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('put' as const), key: fc.nat(8), value: fc.option(fc.nat(99)) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      shard: fc.nat(2),
      fault: fc.constantFrom('away' as const, 'back' as const, 'lose' as const, 'lost answer' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('compact' as const), offset: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'pause' as const }) },
)

/** As compaction does: a record that has a later one of its key may go, at any time. */
function compact(topic: ScriptedTopic, offset: number): void {
  const records = topic.records[0] ?? []
  const key = records[offset]?.key
  if (key === undefined || key === null) return
  const superseded = records
    .slice(offset + 1)
    .some(record => record?.key !== null && record?.key !== undefined && Buffer.compare(record.key, key) === 0)
  if (superseded) topic.remove(0, offset)
}

describe('whatever happens to shards, log and process', () => {
  it('in the end every shard holds the fold of the log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
        let test = await testPipeline({ shards: ['a', 'b', 'c'] })
        const backend = test.backend as MemoryBackend
        const expected = new Map<string, string>()
        await test.pipeline.start()
        for (const command of steps) {
          if (command.kind === 'put') {
            const key = `k${command.key}`
            test.topic.put(0, key, command.value === null ? null : String(command.value))
            if (command.value === null) expected.delete(key)
            else expected.set(key, String(command.value))
            test.log.wake()
          } else if (command.kind === 'fault') {
            const faults = backend.faults(backend.shards[command.shard] ?? 'a')
            if (command.fault === 'lose') faults.lose()
            else if (command.fault === 'lost answer') faults.answersToLose = 1
            else faults.away = command.fault === 'away'
          } else if (command.kind === 'compact') compact(test.topic, command.offset)
          else if (command.kind === 'pause') await new Promise(resolve => setImmediate(resolve))
          else {
            await test.stop()
            test = await testPipeline({ log: test.log, backend })
            await test.pipeline.start()
          }
        }
        for (const shard of backend.shards) backend.faults(shard).away = false
        // A record more: what was lost at the end is noticed by the next batch.
        test.topic.put(0, 'last', '1')
        expected.set('last', '1')
        test.log.wake()
        await until(async () => expect(await entries(backend, test.generation)).toEqual(Object.fromEntries(expected)))
        expect(test.stopped).toEqual([])
        await test.stop()
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})
