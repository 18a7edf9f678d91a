import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ViewBackend, ViewOp } from '../src/model/view-backend.ts'
import type { FoldRules } from '../src/pipeline/fold.ts'
import { del, set, textOf } from './contract/backend/folding.ts'
import { hookedBackend, hookedLog } from './support/hooked.ts'
import { entries, until } from './support/pipeline.ts'
import type { ScriptedTopic } from './support/scripted-log.ts'
import { held, makeVerifyWorld, report, told, type VerifyWorld } from './support/verify-world.ts'

const PARTITIONS = 2
const KEYS = 8
/** Shrinking would fold a whole world again for each step. */
const OPTIONS = { numRuns: 15, endOnFailure: true }
const keyOf = (key: number): string => `k${key}`
const partitionOf = (key: number): number => key % PARTITIONS

const rules: FoldRules = {
  format: 'json',
  schema: undefined,
  partitioner: { partitions: PARTITIONS, partitionOf: (bytes, _, __, end = bytes.length) => partitionOf((bytes[end - 1] ?? 0) - 48) },
}

type Command =
  | { readonly kind: 'put'; readonly key: number; readonly value: number | null }
  | { readonly kind: 'bad'; readonly key: number }
  | { readonly kind: 'compact'; readonly key: number }
  | { readonly kind: 'rewrite'; readonly key: number; readonly value: number }
  | { readonly kind: 'fault'; readonly shard: number; readonly fault: 'blink' | 'lose' | 'lost answer' }
  | { readonly kind: 'turn'; readonly turns: number }
  | { readonly kind: 'tamper'; readonly shard: number; readonly key: number; readonly value: number | null }

const key = fc.nat(KEYS - 1)
const value: fc.Arbitrary<number | null> = fc.option(fc.nat(99), { freq: 3 })
const live: fc.WeightedArbitrary<Command>[] = [
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('put' as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('bad' as const), key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('compact' as const), key }) },
  // The hole that a record leaves which somebody has just folded.
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('rewrite' as const), key, value: fc.nat(99) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      shard: fc.nat(2),
      fault: fc.constantFrom('blink' as const, 'lose' as const, 'lost answer' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('turn' as const), turns: fc.nat(12) }) },
]
/** Also of a key that the log has never had, and on shards where it doesn't belong. */
const tamper: fc.WeightedArbitrary<Command> = {
  weight: 6,
  arbitrary: fc.record({ kind: fc.constant('tamper' as const), shard: fc.nat(2), key: fc.nat(KEYS + 1), value }),
}

/** Every record that was ever written, compacted or not: what is true. */
class History {
  readonly #records: { readonly key: string; readonly value: string | null; readonly folds: boolean }[][] = Array.from(
    { length: PARTITIONS },
    () => [],
  )

  put(partition: number, key: string, value: string | null, folds: boolean): void {
    this.#records[partition]?.push({ key, value, folds })
  }

  /** Of a key, by the records below a position. */
  valueAt(partition: number, key: string, position: number): string | undefined {
    const last = this.#records[partition]?.slice(0, position).findLast(record => record.key === key && record.folds)
    return last?.value ?? undefined
  }

  unresolved(key: number): boolean {
    return this.#records[partitionOf(key)]?.findLast(record => record.key === keyOf(key))?.folds === false
  }

  entries(): Record<string, string> {
    const all = Array.from({ length: KEYS }, (_, key) => [keyOf(key), this.valueAt(partitionOf(key), keyOf(key), Number.MAX_SAFE_INTEGER)] as const)
    return Object.fromEntries(all.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))
  }
}

/** All records of a key but the last. */
function compact(topic: ScriptedTopic, key: number): void {
  const partition = partitionOf(key)
  const offsets = (topic.records[partition] ?? []).flatMap((record, offset) =>
    Buffer.from(record?.key ?? []).toString() === keyOf(key) ? [offset] : [],
  )
  for (const offset of offsets.slice(0, -1)) topic.remove(partition, offset)
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

async function run(command: Command, world: VerifyWorld, history: History): Promise<void> {
  const { topic, memory, log } = world
  const shard = 'shard' in command ? (memory.shards[command.shard] ?? 'a') : 'a'
  if (command.kind === 'put' || command.kind === 'bad') {
    const value = command.kind === 'bad' ? 'bad' : command.value === null ? null : String(command.value)
    topic.put(partitionOf(command.key), keyOf(command.key), value)
    history.put(partitionOf(command.key), keyOf(command.key), value, command.kind === 'put')
    log.wake()
  } else if (command.kind === 'compact') compact(topic, command.key)
  else if (command.kind === 'rewrite') {
    await run({ ...command, kind: 'put' }, world, history)
    compact(topic, command.key)
  } else if (command.kind === 'fault') {
    const faults = memory.faults(shard)
    if (command.fault === 'lose') faults.lose()
    else if (command.fault === 'lost answer') faults.answersToLose = 1
    else {
      faults.away = true
      setTimeout(() => {
        faults.away = false
      }, 30)
    }
  } else if (command.kind === 'turn') for (let nth = 0; nth < command.turns; nth++) await turn()
  else
    await world
      .tamper(shard, [command.value === null ? del(keyOf(command.key)) : set(keyOf(command.key), String(command.value))])
      .catch(() => undefined)
}

/** Right after a repair, each of its ids must be what the records below the shard's position make of it: no newer write was taken back. */
function watched(backend: ViewBackend, world: VerifyWorld, history: History, wrong: string[]): ViewBackend {
  return {
    ...hookedBackend(backend, () => undefined),
    writer(generation) {
      const writer = backend.writer(generation)
      const check = async (shard: string, partition: number, ops: readonly ViewOp[]): Promise<void> => {
        const ids = ops.map(({ id }) => id)
        const { found, checkpoints } = await world.memory.admin(generation).look(shard, ids)
        for (const { id, value } of found) {
          const right = backend.owner(id) === shard ? history.valueAt(partition, id, checkpoints[partition]?.position ?? 0) : undefined
          if (textOf(value) !== right) wrong.push(`${id} on ${shard} is ${textOf(value)}, not ${right}`)
        }
      }
      return {
        checkpoints: shard => writer.checkpoints(shard),
        async apply(shard, batch) {
          const outcome = await writer.apply(shard, batch)
          if (outcome.kind === 'applied') await check(shard, batch.partition, batch.ops)
          return outcome
        },
      }
    },
  }
}

async function play(
  before: readonly Command[],
  during: readonly (readonly Command[])[],
  checkReport: (lines: readonly string[]) => void,
): Promise<void> {
  const world = await makeVerifyWorld({ partitions: PARTITIONS })
  const history = new History()
  const wrong: string[] = []
  try {
    await world.pipeline.start()
    for (const command of before) await run(command, world, history)
    const steps = [...during]
    const hook = async (): Promise<void> => {
      for (const command of steps.shift() ?? []) await run(command, world, history)
    }
    const backend = hookedBackend(watched(world.backend, world, history, wrong), hook)
    const verify = world.verify({ holdRules: held(rules), backend, log: hookedLog(world.log, hook), pageEntries: 2 })
    verify.start({ repair: true })
    const done = await report(verify)
    expect([done.phase, done.failure]).toEqual(['done', null])
    checkReport(told(done).filter(line => !line.startsWith('unresolved ')))
    expect(wrong).toEqual([])
    // Nobody changes anything now, so all of it can be mended.
    for (const shard of world.memory.shards) world.memory.faults(shard).answersToLose = 0
    const last = world.verify({ holdRules: held(rules), backend: watched(world.backend, world, history, wrong) })
    last.start({ repair: true })
    const { left, differences } = await report(last)
    expect([left, wrong]).toEqual([0, []])
    const unresolved = Array.from({ length: KEYS }, (_, nth) => nth).filter(nth => history.unresolved(nth))
    expect(differences.unresolved.first.map(({ id }) => id).toSorted()).toEqual(unresolved.map(keyOf))
    const without = (all: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(all).filter(([id]) => !unresolved.map(keyOf).includes(id)))
    await until(async () => expect(without(await entries(world.backend, world.generation))).toEqual(without(history.entries())))
    expect(world.stopped).toEqual([])
  } finally {
    await world.stop()
  }
}

const historyOf = (...commands: fc.WeightedArbitrary<Command>[]): fc.Arbitrary<readonly [Command[], Command[][]]> =>
  fc.tuple(
    fc.array(fc.oneof(...commands), { maxLength: 30 }),
    fc.array(fc.array(fc.oneof(...commands), { maxLength: 5 }), { minLength: 10, maxLength: 60 }),
  )

describe('whatever is written, compacted and lost while verify runs', () => {
  it('a healthy view shows no difference (V1)', async () => {
    await fc.assert(
      fc.asyncProperty(historyOf(...live), async ([before, during]) => {
        await play(before, during, lines => expect(lines).toEqual([]))
      }),
      OPTIONS,
    )
  }, 120_000)

  it('no repair takes a newer write back, and in the end all is as the log says (V2)', async () => {
    await fc.assert(
      fc.asyncProperty(historyOf(...live, tamper), async ([before, during]) => {
        await play(before, during, () => undefined)
      }),
      OPTIONS,
    )
  }, 120_000)
})
