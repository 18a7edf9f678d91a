import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import type { Projected, Projector } from '../src/model/projector.ts'
import type { ViewOp } from '../src/model/view-backend.ts'
import { type Folded, type FoldRules, fold } from '../src/pipeline/fold.ts'
import { foldProjected } from '../src/pipeline/projecting.ts'
import { replay } from '../src/verify/verify.ts'
import { textOf } from './contract/backend/folding.ts'
import { entries, folded as holds, until, usePipelines } from './support/pipeline.ts'
import { runnerOf } from './support/projections.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog, type ScriptedTopic } from './support/scripted-log.ts'
import { held, report, told, verifyWorld } from './support/verify-world.ts'

const plain: FoldRules = { format: 'json', schema: undefined, partitioner: undefined }

/** Drops `1`, fails at `2`, and turns every other number round. */
const projectorOf = (calls: string[] = []): Projector => ({
  project: async records =>
    records.map(({ id, value }): Projected => {
      const text = Buffer.from(value.buffer.subarray(value.start, value.end)).toString()
      calls.push(`${id}=${text}`)
      return made(text)
    }),
  close: async () => undefined,
})

function made(text: string): Projected {
  if (text === '1') return { kind: 'nothing' }
  if (text === '2') return { kind: 'fault', fault: { reason: 'projection-threw', detail: 'two' } }
  const buffer = Buffer.from(`x-${text}`)
  return { kind: 'value', value: { buffer, start: 2, end: buffer.length } }
}

type Written = readonly [key: string, value: string | null]

async function topicOf(records: readonly Written[]): Promise<ScriptedTopic & { log: ScriptedLog }> {
  const log = new ScriptedLog()
  log.stretchRecordsMax = 1_000
  const topic = await log.topic({ name: 'job', partitions: 1, replication: 1, create: true })
  for (const [key, value] of records) topic.put(0, key, value)
  return Object.assign(topic, { log })
}

async function foldOf(records: readonly Written[], rules: FoldRules, to = Number.POSITIVE_INFINITY): Promise<Folded> {
  const topic = await topicOf(records)
  const stretch = await topic.log.reader(topic, 0, 0).next(0)
  return rules.projector === undefined ? fold(stretch, to, rules) : foldProjected(stretch, to, rules, new AbortController().signal)
}

const shown = (op: ViewOp): string =>
  `${op.offset} ${op.id}=${op.kind === 'set' ? textOf(op.value.buffer.subarray(op.value.start, op.value.end)) : 'gone'}`

const value = fc.constantFrom(null, '0', '1', '2', '3', 'not JSON', '[4]')
const history = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', ''), value), { maxLength: 30 })

/** The same log, had the projection been run over it before. What it fails at is no JSON there. */
const mapped = (records: readonly Written[]): readonly Written[] =>
  records.map(([key, text]) => {
    if (text === null || text === 'not JSON') return [key, text]
    const projected = made(text)
    return [key, projected.kind === 'value' ? text : projected.kind === 'nothing' ? null : 'faulty']
  })

describe('a fold through a projection', () => {
  it('is the fold of the log whose values were projected before, and has the same records at fault', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(30), async (records, to) => {
        const through = await foldOf(records, { ...plain, projector: projectorOf() }, to)
        const before = await foldOf(mapped(records), plain, to)
        expect(through.ops.map(shown)).toEqual(before.ops.map(shown))
        expect(through.faulty.map(({ offset, id }) => [offset, id])).toEqual(before.faulty.map(({ offset, id }) => [offset, id]))
        expect([through.next, through.records, through.lastTimestampMs]).toEqual([before.next, before.records, before.lastTimestampMs])
      }),
    )
  })

  it('projects each record that folds once, and neither a tombstone nor what is at fault before', async () => {
    const calls: string[] = []
    const schema = (parsed: unknown) => (parsed === 7 ? [{ pointer: '', detail: 'no seven' }] : [])
    const rules = { ...plain, schema, projector: projectorOf(calls) }
    const folded = await foldOf(
      [
        ['a', '3'],
        ['a', '4'],
        ['b', null],
        ['a', '7'],
        ['', '3'],
        ['c', 'null'],
        ['a', '2'],
      ],
      rules,
    )
    expect(calls).toEqual(['a=3', 'a=4', 'c=null', 'a=2'])
    expect(folded.ops.map(shown)).toEqual(['1 a=4', '2 b=gone', '5 c=null'])
    expect(folded.faulty.map(({ offset, fault }) => [offset, fault.reason])).toEqual([
      [3, 'value-schema-mismatch'],
      [4, 'key-empty'],
      [6, 'projection-threw'],
    ])
    expect(folded.faulty[2]).toMatchObject({ id: 'a', key: Buffer.from('a'), value: Buffer.from('2') })
  })
})

const SOURCE = `export default ({ n }: { n: number }, key: string) => {
  if (n === 1) return null
  if (n === 2) throw new Error('two')
  if (n === 3) for (;;);
  return { key, double: 2 * n }
}
`

describe('a pipeline with a projection', () => {
  const start = usePipelines()

  it('stores what it makes; what it fails at is a dead letter, and the id keeps its value until a later record folds', async () => {
    const projector = await runnerOf(SOURCE, 'json', { recordCpuMs: 50 })
    const test = await start({ rules: { ...plain, projector } })
    const put = (key: string, n: number): number => test.topic.put(0, key, `{"n":${n}}`)
    for (const [key, n] of [
      ['a', 5],
      ['b', 5],
      ['c', 5],
      ['b', 1],
      ['c', 2],
      ['d', 3],
      ['e', 6],
    ] as const)
      put(key, n)
    await test.pipeline.start()
    await holds(test, { a: '{"key":"a","double":10}', c: '{"key":"c","double":10}', e: '{"key":"e","double":12}' })
    const letters = () => test.deadLetters.list({ limit: 10 }).letters.map(({ offset, id, reason, resolvedBy }) => [offset, id, reason, resolvedBy])
    expect(letters()).toEqual([
      [4, 'c', 'projection-threw', undefined],
      [5, 'd', 'projection-timeout', undefined],
    ])
    put('c', 1)
    test.log.wake()
    await holds(test, { a: '{"key":"a","double":10}', e: '{"key":"e","double":12}' })
    expect(letters()[0]).toEqual([4, 'c', 'projection-threw', '0:7'])
    expect(test.stopped).toEqual([])
  }, 60_000)

  it('stops at once in the middle of a record, and stores nothing of it', async () => {
    const waiting = Promise.withResolvers<void>()
    const projector: Projector = {
      project: (_, signal) => {
        waiting.resolve()
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
      close: async () => undefined,
    }
    const test = await start({ rules: { ...plain, projector } })
    test.topic.put(0, 'a', '1')
    await test.pipeline.start()
    await waiting.promise
    await test.pipeline.stop()
    expect(await test.backend.writer(test.generation).checkpoints('a')).toMatchObject({ kind: 'open', checkpoints: [{ position: 0 }] })
    expect(test.stopped).toEqual([])
  })

  it('lets a shard that catches up meanwhile join where the step ends that is being projected', async () => {
    const gates: PromiseWithResolvers<void>[] = []
    const inner = projectorOf()
    const projector: Projector = {
      ...inner,
      async project(records, signal) {
        if (records.some(({ id }) => id === 'slow')) {
          const gate = Promise.withResolvers<void>()
          gates.push(gate)
          await gate.promise
        }
        return inner.project(records, signal)
      },
    }
    const backend = new MemoryBackend(['a', 'b'])
    const test = await start({ backend, rules: { ...plain, projector } })
    test.topic.put(0, 'k', '10')
    await test.pipeline.start()
    await until(async () => expect(await entries(backend, test.generation)).toEqual({ k: '10' }))
    const stands = (shard: string) => test.pipeline.status().shards.find(each => each.shard === shard)?.state
    backend.faults('b').away = true
    for (let n = 11; n < 14; n++) test.topic.put(0, 'k', String(n))
    test.log.wake()
    await until(() => expect([stands('a'), stands('b')]).toEqual(['up', 'waiting']))
    test.topic.put(0, 'slow', '50')
    test.log.wake()
    await until(() => expect(gates).toHaveLength(1))
    backend.faults('b').away = false
    // The one that catches up comes to the same record by itself.
    await until(() => expect(gates).toHaveLength(2))
    for (const gate of gates) gate.resolve()
    await until(async () => expect(await entries(backend, test.generation)).toEqual({ k: '13', slow: '50' }))
    const { values } = await test.metrics.batches.get()
    expect(new Set(values.map(({ labels }) => labels.outcome))).toEqual(new Set(['applied', 'unavailable']))
  })

  it('is verified through the projection, which finds nothing in a healthy view and mends what somebody changed', async () => {
    const projector = await runnerOf(SOURCE.replace('n === 3', 'false'))
    const rules = { ...plain, projector }
    const world = await verifyWorld({ rules })
    for (let n = 0; n < 20; n++) world.topic.put(0, `k${n}`, `{"n":${n % 4}}`)
    await world.pipeline.start()
    await world.caughtUp()
    const healthy = world.verify({ holdRules: held(rules) })
    healthy.start({ repair: false })
    const found = await report(healthy)
    expect([found.left, told(found).filter(line => !line.startsWith('unresolved'))]).toEqual([0, []])
    const owner = world.memory.owner('k0')
    await world.tamper(owner, [{ kind: 'del', id: 'k0', offset: 0 }])
    const mending = world.verify({ holdRules: held(rules) })
    mending.start({ repair: true })
    expect((await report(mending)).left).toBe(0)
    expect((await entries(world.backend, world.generation)).k0).toBe('{"key":"k0","double":0}')
  })

  it('replays a letter through it, also where nothing comes of the record', async () => {
    const inner = projectorOf()
    let failing = true
    const projector: Projector = {
      ...inner,
      project: async (records, signal) =>
        (await inner.project(records, signal)).map(each => (each.kind === 'fault' && !failing ? { kind: 'nothing' } : each)),
    }
    const rules = { ...plain, projector }
    const world = await verifyWorld({ rules })
    world.topic.put(0, 'a', '3')
    world.topic.put(0, 'a', '2')
    await world.pipeline.start()
    await world.caughtUp()
    await until(() => expect(world.deadLetters.unresolved('a')).toBe(true))
    const { log, topic, generation, backend, deadLetters } = world
    const replaying = () => replay({ log, topic, generation, backend, rules, deadLetters, logger: quiet }, '1:0:1', new AbortController().signal)
    expect(await replaying()).toEqual({ kind: 'still-faulty', reason: 'projection-threw', detail: 'two' })
    expect(await entries(backend, generation)).toEqual({ a: '3' })
    failing = false
    expect(await replaying()).toEqual({ kind: 'replayed', place: '0:1' })
    expect([await entries(backend, generation), deadLetters.unresolved('a')]).toEqual([{}, false])
  })
})
