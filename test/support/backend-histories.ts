import fc from 'fast-check'
import { expect } from 'vitest'
import { MemoryBackend } from '../../backends/memory/backend.ts'
import sqlite from '../../backends/sqlite/index.ts'
import type { Generation } from '../../src/model/generation.ts'
import {
  type Batch,
  type CommandPlace,
  checkpointZero,
  type ShardOutcome,
  type ViewAdmin,
  type ViewBackend,
  type ViewOp,
} from '../../src/model/view-backend.ts'
import { assertThrows, at, batch, commandAt, compareBytes, del, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { entriesOf, foundOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { quiet } from './quiet.ts'

/** Any history of batches, faults and late commands leads every backend to what a plain map holds. */

const PARTITIONS = 3
const IDS = ['a', 'ab', 'b', '__proto__', 'constructor', 'é', '\uffff', '\u{10000}', 'job@2/keys', '%']

type Change = readonly [id: string, value: string | undefined]
type Command =
  | { readonly kind: 'fold' | 'split' | 'crash' | 'repair'; readonly partition: number; readonly changes: readonly Change[] }
  | { readonly kind: 'outOfTurn'; readonly partition: number; readonly distance: number; readonly changes: readonly Change[] }
  | { readonly kind: 'repeat'; readonly partition: number }
  | { readonly kind: 'reopen' | 'drop' | 'anew' }
  | { readonly kind: 'late'; readonly act: 'open' | 'anew' | 'drop' | 'serve'; readonly which: number }
  | { readonly kind: 'serve'; readonly topic: string; readonly offset: number }
  | { readonly kind: 'list'; readonly limit: number; readonly prefix: string }

const partition = fc.nat({ max: PARTITIONS - 1 })
const value = fc.option(fc.json(), { nil: undefined })
const changes = fc.uniqueArray(fc.tuple(fc.constantFrom(...IDS), value), { selector: ([id]) => id, maxLength: 6 })
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('fold', 'split', 'crash', 'repair'), partition, changes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('outOfTurn'), partition, distance: fc.constantFrom(-2, -1, 1, 5), changes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('repeat'), partition }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('reopen', 'drop', 'anew') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('late'), act: fc.constantFrom('open', 'anew', 'drop', 'serve'), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('serve'), topic: fc.constantFrom('first', 'second'), offset: fc.nat({ max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('list'), limit: fc.integer({ min: 1, max: 12 }), prefix: fc.constantFrom('', ...IDS) }) },
) as fc.Arbitrary<Command>

/** What is expected of all of them. */
class Model {
  /** The one whose number it has; those that had it before it were dropped. */
  generation: Generation
  readonly dropped: Generation[] = []
  served: CommandPlace | undefined
  readonly entries = new Map<string, string>()
  readonly positions: number[] = Array(PARTITIONS).fill(0)
  readonly last: (Batch | undefined)[] = Array(PARTITIONS).fill(undefined)

  constructor(generation: Generation) {
    this.generation = generation
  }

  /** Its number is given to another. */
  drop(): void {
    this.dropped.push(this.generation)
    this.generation = { ...this.generation, uid: `${this.generation.uid}+` }
  }

  serve(since: CommandPlace): 'shown' | 'outdated' {
    if (this.served?.topicId === since.topicId && this.served.offset > since.offset) return 'outdated'
    this.served = since
    return 'shown'
  }

  clear(): void {
    this.entries.clear()
    this.positions.fill(0)
    this.last.fill(undefined)
  }

  write(given: Batch): void {
    for (const op of given.ops) {
      if (op.kind === 'del') this.entries.delete(op.id)
      else this.entries.set(op.id, Buffer.from(op.value.buffer.subarray(op.value.start, op.value.end)).toString())
    }
    this.positions[given.partition] = given.checkpoint.position
    if (given.from !== given.checkpoint.position) this.last[given.partition] = given
  }

  sorted(prefix: string): readonly (readonly [string, string])[] {
    return [...this.entries].filter(([id]) => id.startsWith(prefix)).sort(([a], [b]) => compareBytes(a, b))
  }

  checkpoints(): unknown {
    return this.positions.map((position, each) => (this.last[each] === undefined ? checkpointZero : at(position)))
  }
}

/** A backend under test, and what a crash is for it. */
export interface System {
  backend: ViewBackend
  reopen(): Promise<void>
  /** Gives each shard its part and meets a fault meanwhile, so that nobody knows what was done. */
  crash(parts: ReadonlyMap<string, Batch>, generation: Generation): Promise<void>
}

export function memorySystem(shards: readonly string[]): System {
  const backend = new MemoryBackend(shards)
  return {
    backend,
    reopen: async () => {},
    async crash(parts, generation) {
      for (const [shard, part] of parts) {
        backend.faults(shard).answersToLose = 1
        expect((await backend.writer(generation).apply(shard, part)).kind).toBe('unavailable')
      }
    },
  }
}

export async function sqliteSystem(dataDir: string): Promise<System> {
  const connect = () => sqlite.connect({ path: 'views.sqlite' }, { name: 'local', dataDir, logger: quiet, shards: ['main'] })
  const system: System = {
    backend: await connect(),
    async reopen() {
      await system.backend.close()
      system.backend = await connect()
    },
    async crash(parts, generation) {
      const underWay = [...parts].map(([shard, part]) => system.backend.writer(generation).apply(shard, part))
      await Promise.allSettled([system.backend.close(), ...underWay])
      system.backend = await connect()
    },
  }
  return system
}

function partsOf(backend: ViewBackend, given: Batch): ReadonlyMap<string, Batch> {
  return new Map(backend.shards.map(shard => [shard, { ...given, ops: given.ops.filter(op => backend.owner(op.id) === shard) }]))
}

async function applyTo(system: System, generation: Generation, given: Batch): Promise<readonly ShardOutcome[]> {
  const writer = system.backend.writer(generation)
  return await Promise.all([...partsOf(system.backend, given)].map(([shard, part]) => writer.apply(shard, part)))
}

async function expectAll(systems: readonly System[], generation: Generation, given: Batch, expected: ShardOutcome): Promise<void> {
  for (const system of systems) {
    const outcomes = await applyTo(system, generation, given)
    expect(outcomes).toEqual(outcomes.map(() => expected))
  }
}

async function openAll(systems: readonly System[], generation: Generation, anew: boolean): Promise<void> {
  for (const { backend } of systems) {
    for (const shard of backend.shards) {
      expect(await backend.admin(generation).open(shard, { anew })).toBe('opened')
      await markFilled(backend.admin(generation), shard)
    }
  }
}

const listOf = (backend: ViewBackend, generation: Generation, limit: number, prefix: string): Promise<unknown> =>
  Array.fromAsync(entriesOf(backend.reader(generation), { limit, prefix }), ({ id, value }) => [id, textOf(value)])

/** What stands on one shard, in key order. */
async function scanOf(backend: ViewBackend, generation: Generation, shard: string, limit: number): Promise<unknown> {
  const all = new Map<string, unknown>()
  for await (const { id, value, listed } of foundOf(backend.admin(generation), shard, { limit })) all.set(id, [id, textOf(value), listed])
  return [...all].sort(([a], [b]) => compareBytes(a, b)).map(([, found]) => found)
}

async function expectSame(systems: readonly System[], generation: Generation, model: Model): Promise<void> {
  for (const { backend } of systems) {
    expect(await listOf(backend, generation, 4, '')).toEqual(model.sorted(''))
    const got = await backend.reader(generation).get(IDS)
    expect(got.map(textOf)).toEqual(IDS.map(id => model.entries.get(id)))
    for (const shard of backend.shards) {
      expect(await backend.writer(generation).checkpoints(shard)).toEqual({ kind: 'open', checkpoints: model.checkpoints() })
      expect(await backend.reader(generation).vouched(shard)).toEqual(model.positions)
      const owned = model.sorted('').filter(([id]) => backend.owner(id) === shard)
      expect(await scanOf(backend, generation, shard, 3)).toEqual(owned.map(([id, text]) => [id, text, true]))
      const { found, checkpoints } = await backend.admin(generation).look(shard, IDS)
      const there = new Map(owned)
      expect(found.map(({ id, value, listed }) => [id, textOf(value), listed])).toEqual(IDS.map(id => [id, there.get(id), there.has(id)]))
      expect(checkpoints).toEqual(model.checkpoints())
    }
  }
}

const opsOf = (given: readonly Change[], from: number): readonly ViewOp[] =>
  given.map(([id, text], index) => (text === undefined ? del(id, from + index) : set(id, text, from + index)))

async function run(step: Command, systems: readonly System[], model: Model): Promise<void> {
  if ('partition' in step) await runBatch(step, systems, model.generation, model)
  else if (step.kind === 'reopen') for (const system of systems) await system.reopen()
  else if (step.kind === 'list') {
    for (const { backend } of systems) {
      expect(await listOf(backend, model.generation, step.limit, step.prefix)).toEqual(model.sorted(step.prefix))
    }
  } else if (step.kind === 'serve') {
    const since = commandAt(step.offset, `${step.topic} of ${model.generation.number}`)
    const expected = model.serve(since)
    await onEach(systems, model.generation, async (admin, shard) => {
      expect(await admin.serve(shard, since)).toBe(expected)
      if (expected === 'shown') expect((await admin.marks(shard)).shown).toBe(true)
    })
  } else if (step.kind === 'late') await runLate(step.act, model.dropped[step.which % model.dropped.length], systems)
  else {
    if (step.kind === 'drop') {
      await onEach(systems, model.generation, (admin, shard) => admin.drop(shard))
      model.drop()
    }
    await openAll(systems, model.generation, step.kind === 'anew')
    model.clear()
  }
}

/** What somebody does who doesn't know yet that it was dropped, while another has its name: nothing. */
async function runLate(act: 'open' | 'anew' | 'drop' | 'serve', dropped: Generation | undefined, systems: readonly System[]): Promise<void> {
  if (dropped === undefined) return
  await onEach(systems, dropped, async (admin, shard) => {
    if (act === 'drop') await admin.drop(shard)
    else if (act === 'serve') await assertThrows('foreign-store', 'serve', () => admin.serve(shard, commandAt(9)))
    else expect(await admin.open(shard, { anew: act === 'anew' })).toBe('dropped')
  })
}

async function onEach(
  systems: readonly System[],
  generation: Generation,
  work: (admin: ViewAdmin, shard: string) => Promise<unknown>,
): Promise<void> {
  for (const { backend } of systems) for (const shard of backend.shards) await work(backend.admin(generation), shard)
}

type BatchCommand = Extract<Command, { readonly partition: number }>

async function runBatch(step: BatchCommand, systems: readonly System[], generation: Generation, model: Model): Promise<void> {
  const position = model.positions[step.partition] ?? 0
  const elsewhere: ShardOutcome = { kind: 'elsewhere', checkpoint: model.last[step.partition] === undefined ? checkpointZero : at(position) }
  if (step.kind === 'repeat') {
    const last = model.last[step.partition]
    if (last !== undefined) await expectAll(systems, generation, last, elsewhere)
    return
  }
  if (step.kind === 'outOfTurn') {
    const from = position + step.distance
    if (from >= 0) await expectAll(systems, generation, batch(step.partition, from, from + 3, opsOf(step.changes, from)), elsewhere)
    return
  }
  if (step.kind === 'repair' && model.last[step.partition] === undefined) return
  const ops = opsOf(step.changes, position)
  const whole = batch(step.partition, position, step.kind === 'repair' ? position : position + ops.length + 1, ops)
  if (step.kind === 'crash') await crash(systems, generation, whole)
  else if (step.kind === 'split') {
    const middle = position + Math.ceil(ops.length / 2)
    const first = batch(step.partition, position, middle, ops.slice(0, middle - position))
    const second = { ...whole, from: middle, vouched: middle, ops: ops.slice(middle - position) }
    for (const half of [first, second]) await expectAll(systems, generation, half, { kind: 'applied' })
    model.write(first)
    model.write(second)
    return
  } else await expectAll(systems, generation, whole, { kind: 'applied' })
  model.write(whole)
}

/** Repeating the batch is safe, whatever became of it: it was done, or it is done now. */
async function crash(systems: readonly System[], generation: Generation, whole: Batch): Promise<void> {
  const done: ShardOutcome = { kind: 'elsewhere', checkpoint: whole.checkpoint }
  for (const system of systems) {
    await system.crash(partsOf(system.backend, whole), generation)
    for (const outcome of await applyTo(system, generation, whole)) expect([{ kind: 'applied' }, done]).toContainEqual(outcome)
  }
}

/** Runs any histories against all of these systems at once; each must give the same answers as a plain map. */
export async function runHistories(systems: readonly System[], options: { readonly numRuns: number; readonly seed?: number }): Promise<void> {
  let number = 0
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 25 }), async commands => {
      const model = new Model(generationOf({ number: ++number, partitions: PARTITIONS }))
      await openAll(systems, model.generation, false)
      for (const step of commands) await run(step, systems, model)
      await expectSame(systems, model.generation, model)
      await onEach(systems, model.generation, (admin, shard) => admin.drop(shard))
    }),
    options,
  )
}
