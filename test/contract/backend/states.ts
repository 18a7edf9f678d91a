import assert from 'node:assert/strict'
import { type Generation, generationName, type Identity, identityOf } from '../../../src/model/generation.ts'
import { type Capacity, checkpointZero } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { assertThrows, at, batch, commandAt, dropAll, openAll, openWith, set, textOf } from './folding.ts'
import { generationOf, type Store, storeCase } from './store.ts'

/**
 * Every operation in every state a generation's shard, or its backend, can be in. Each row says what the operation does in each state; in a row each state has a
 * generation of its own, so that rows and states don't disturb each other.
 */

const STATES = ['absent', 'open', 'filled', 'foreign', 'dropped', 'lost', 'closed'] as const
type State = (typeof STATES)[number]

/** What an operation must do: answer this, or throw an error with this code. */
type Expected = { readonly answers: unknown } | { readonly throws: string }
type Row = { readonly [Name in Exclude<State, 'closed'>]: Expected }

interface Operation {
  readonly name: string
  run(store: Store, generation: Generation, shard: string): Promise<unknown>
  expected(generation: Generation, shard: string): Row
}

const answers = (value: unknown): Expected => ({ answers: value })
const throws = (code: string): Expected => ({ throws: code })
const absent = throws('view-lost')
const reads = { absent, foreign: throws('foreign-store'), dropped: absent, lost: absent }
const nothing = answers(undefined)

const foreignIdentity = (generation: Generation, shard: string): Identity => identityOf(otherOf(generation), shard)
/** The same name, folded from something else. */
const otherOf = (generation: Generation): Generation => ({ ...generation, uid: 'another uid' })

/** With the opening that the shard has, whosever it is. */
async function markWhateverStands(store: Store, generation: Generation, shard: string): Promise<boolean> {
  const openings = await Promise.allSettled([generation, otherOf(generation)].map(each => store.backend.admin(each).opening(shard)))
  const opening = openings.find(each => each.status === 'fulfilled')?.value ?? ''
  return await store.backend.admin(generation).markFilled(shard, opening, [])
}

/** What is wrong with it, if anything is. */
const faultOf = (capacity: Capacity | undefined): unknown =>
  capacity === undefined || (capacity.usedBytes >= 0 && capacity.limitBytes > 0 && Number.isFinite(capacity.limitBytes)) ? undefined : capacity

const lost = answers({ kind: 'lost' })
const foreign = (generation: Generation, shard: string): Expected => answers({ kind: 'foreign', found: foreignIdentity(generation, shard) })

const operations: readonly Operation[] = [
  {
    name: 'apply',
    run: (store, generation, shard) => store.backend.writer(generation).apply(shard, batch(0, 1, 2)),
    expected: (generation, shard) => ({
      absent: lost,
      open: answers({ kind: 'applied' }),
      filled: answers({ kind: 'applied' }),
      foreign: foreign(generation, shard),
      dropped: lost,
      lost,
    }),
  },
  {
    name: 'checkpoints',
    run: (store, generation, shard) => store.backend.writer(generation).checkpoints(shard),
    expected: (generation, shard) => {
      const open = answers({ kind: 'open', checkpoints: [at(1), checkpointZero, checkpointZero] })
      return { absent: lost, open, filled: open, foreign: foreign(generation, shard), dropped: lost, lost }
    },
  },
  {
    name: 'get',
    run: async (store, generation) => (await store.backend.reader(generation).get(['one', 'two'])).map(textOf),
    expected: () => ({ ...reads, open: throws('view-folding'), filled: answers(['1', undefined]) }),
  },
  {
    name: 'list',
    run: async (store, generation) =>
      (await store.backend.reader(generation).list({ limit: 10 })).entries.map(({ id, value }) => [id, textOf(value)]),
    expected: () => ({ ...reads, open: throws('view-folding'), filled: answers([['one', '1']]) }),
  },
  {
    name: 'vouched',
    run: (store, generation, shard) => store.backend.reader(generation).vouched(shard),
    expected: () => ({ ...reads, open: answers([1, 0, 0]), filled: answers([1, 0, 0]) }),
  },
  {
    name: 'filled',
    run: (store, generation, shard) => store.backend.reader(generation).filled(shard),
    expected: () => ({ ...reads, open: answers(false), filled: answers(true) }),
  },
  {
    name: 'open',
    run: (store, generation, shard) => store.backend.admin(generation).open(shard),
    expected: (generation, shard) => ({
      absent: answers('opened'),
      open: answers('kept'),
      filled: answers('kept'),
      foreign: foreign(generation, shard),
      dropped: answers('dropped'),
      lost: answers('opened'),
    }),
  },
  {
    name: 'open anew',
    run: (store, generation, shard) => store.backend.admin(generation).open(shard, { anew: true }),
    expected: (generation, shard) => ({
      absent: answers('opened'),
      open: answers('opened'),
      filled: answers('opened'),
      foreign: foreign(generation, shard),
      dropped: answers('dropped'),
      lost: answers('opened'),
    }),
  },
  {
    name: 'opening',
    run: async (store, generation, shard) => typeof (await store.backend.admin(generation).opening(shard)),
    expected: () => ({ ...reads, open: answers('string'), filled: answers('string') }),
  },
  {
    name: 'markFilled',
    run: markWhateverStands,
    expected: () => ({
      absent: answers(false),
      open: answers(true),
      filled: answers(true),
      foreign: answers(false),
      dropped: answers(false),
      lost: answers(false),
    }),
  },
  {
    name: 'serve',
    run: (store, generation, shard) => store.backend.admin(generation).serve(shard, commandAt(1)),
    expected: () => ({ ...reads, open: answers('shown'), filled: answers('shown') }),
  },
  {
    name: 'marks',
    run: async (store, generation, shard) => (await store.backend.admin(generation).marks(shard)).filled,
    expected: () => ({ ...reads, open: answers(false), filled: answers(true) }),
  },
  {
    name: 'stats',
    run: async (store, generation) => {
      let entries = 0
      for (const shard of store.shards) entries += (await store.backend.admin(generation).stats(shard)).entries
      return entries
    },
    expected: () => ({
      absent: answers(0),
      open: answers(1),
      filled: answers(1),
      foreign: answers(0),
      dropped: answers(0),
      lost: answers(0),
    }),
  },
  {
    name: 'scan',
    run: async (store, generation) => {
      const found = []
      for (const shard of store.shards) found.push(...(await store.backend.admin(generation).scan(shard, { limit: 10 })).found)
      return found.map(({ id, value, listed }) => [id, textOf(value), listed])
    },
    expected: () => ({ ...reads, open: answers([['one', '1', true]]), filled: answers([['one', '1', true]]) }),
  },
  {
    name: 'look',
    run: async (store, generation) => {
      const { found, checkpoints } = await store.backend.admin(generation).look(store.backend.owner('one'), ['one', 'two'])
      return { found: found.map(({ id, value, listed }) => [id, textOf(value), listed]), checkpoints }
    },
    expected: () => {
      const found = [
        ['one', '1', true],
        ['two', undefined, false],
      ]
      const looked = answers({ found, checkpoints: [at(1), checkpointZero, checkpointZero] })
      return { ...reads, open: looked, filled: looked }
    },
  },
  {
    name: 'drop',
    run: (store, generation, shard) => store.backend.admin(generation).drop(shard),
    expected: () => ({ absent: nothing, open: nothing, filled: nothing, foreign: nothing, dropped: nothing, lost: nothing }),
  },
  {
    name: 'capacity',
    run: async (store, _generation, shard) => faultOf(await store.backend.capacity(shard)),
    expected: () => ({ absent: nothing, open: nothing, filled: nothing, foreign: nothing, dropped: nothing, lost: nothing }),
  },
  {
    name: 'ping',
    run: (store, _generation, shard) => store.backend.ping(shard),
    expected: () => ({ absent: nothing, open: nothing, filled: nothing, foreign: nothing, dropped: nothing, lost: nothing }),
  },
]

/** Brings a generation into a state, which may take the whole store with it (lost, closed); so the states come in this order. */
async function enter(state: State, options: SuiteOptions, store: Store, generation: Generation): Promise<void> {
  if (state === 'open') {
    await openAll(store, generation)
    for (const shard of store.shards) {
      const ops = store.backend.owner('one') === shard ? [set('one', '1')] : []
      await store.backend.writer(generation).apply(shard, batch(0, 0, 1, ops))
    }
  }
  if (state === 'filled' || state === 'dropped' || state === 'lost') await openWith(store, generation, { one: '1' })
  if (state === 'foreign') await openWith(store, otherOf(generation), { one: '1' })
  if (state === 'dropped') await dropAll(store, generation)
  if (state === 'lost') for (const shard of store.shards) await options.lose?.(store, shard)
  if (state === 'closed') await store.backend.close()
}

export function states(runner: TestRunner, options: SuiteOptions): void {
  runner.describe('each operation in each state', () => {
    for (const operation of operations) {
      const tried = STATES.filter(state => state !== 'lost' || options.lose !== undefined)
      storeCase(runner, options, `${operation.name}: ${tried.join(', ')}`, async store => {
        for (const [index, state] of tried.entries()) await runIn(state, operation, options, store, index + 1)
      })
    }

    storeCase(runner, options, 'a foreign identity keeps its data through open, markFilled and drop of another', async store => {
      const generation = generationOf()
      const other = otherOf(generation)
      await openWith(store, other, { one: '1' })
      for (const shard of store.shards) {
        await store.backend.admin(generation).open(shard, { anew: true })
        assert.equal(await markWhateverStands(store, generation, shard), false)
        await store.backend.writer(generation).apply(shard, batch(0, 1, 2, [set('one', 'overwritten')]))
      }
      await dropAll(store, generation)
      assert.deepEqual((await store.backend.reader(other).get(['one'])).map(textOf), ['1'])
    })

    for (const member of ['uid', 'logId', 'topicId', 'definitionHash'] as const) {
      storeCase(runner, options, `an identity with another ${member} is foreign`, async store => {
        const generation = generationOf()
        await openAll(store, generation)
        const shard = store.shards[0] ?? ''
        const outcome = await store.backend.writer({ ...generation, [member]: 'another' }).apply(shard, batch(0, 0, 1))
        assert.deepEqual(outcome, { kind: 'foreign', found: identityOf(generation, shard) })
      })
    }

    storeCase(runner, options, 'close may be repeated', async store => {
      await Promise.all([store.backend.close(), store.backend.close()])
      await store.backend.close()
    })

    storeCase(runner, options, 'an operation under way at close ends, or throws closed', async store => {
      const generation = generationOf()
      await openAll(store, generation)
      const shard = store.shards[0] ?? ''
      const underWay = store.backend.writer(generation).apply(shard, batch(0, 0, 1))
      const [outcome] = await Promise.allSettled([underWay, store.backend.close()])
      if (outcome.status === 'rejected') assert.equal(Reflect.get(outcome.reason, 'code'), 'closed')
      else assert.deepEqual(outcome.value, { kind: 'applied' })
    })
  })
}

async function runIn(state: State, operation: Operation, options: SuiteOptions, store: Store, number: number): Promise<void> {
  const generation = generationOf({ number })
  await enter(state, options, store, generation)
  const shard = store.shards[0] ?? ''
  const what = `${operation.name} of ${generationName(generation)}, which is ${state},`
  const expected = state === 'closed' ? throws('closed') : operation.expected(generation, shard)[state]
  if ('throws' in expected) await assertThrows(expected.throws, what, () => operation.run(store, generation, shard))
  else assert.deepEqual(await operation.run(store, generation, shard), expected.answers, what)
}
