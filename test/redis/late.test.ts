import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RedisAdmin } from '../../backends/redis/admin.ts'
import { namesOf } from '../../backends/redis/names.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { at, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { command1, command2, fillWith, flush, HookedShard, useRedis } from './world.ts'

const first = generationOf({ number: 1, ordered: false, partitions: 1 })
const second = generationOf({ number: 2, ordered: false, partitions: 1 })
/** Of some steps of SCAN at least, with those of others. */
const IDS = Array.from({ length: 1_500 }, (_, number) => `id-${number}`)
const OTHERS = Array.from({ length: 1_900 }, (_, number) => [`other:${number}`, '1']).flat()

/** A worker that is paused in an operation on the first generation, before any of its requests, while another acts. */
describe('who comes late', () => {
  const { address, ask, open } = useRedis()
  let backend: ViewBackend
  let shard: HookedShard
  let late: RedisAdmin
  const keys = async (): Promise<readonly string[]> => ((await ask('KEYS', 'job*')) as string[]).toSorted()
  beforeAll(() => {
    shard = new HookedShard(address())
    late = new RedisAdmin(shard.shards, namesOf('', first), first)
  })
  beforeEach(async () => {
    backend = await open()
  })
  afterEach(() => {
    shard.beforeSending = () => undefined
  })
  afterAll(() => shard.close())

  /** Runs `operation` with a pause before each of its requests in turn. @param check gets what it answered, or threw; not for the run that came through unpaused. */
  async function pausedAnywhere<Answer>(given: {
    readonly before: () => Promise<unknown>
    readonly operation: () => Promise<Answer>
    readonly meanwhile: () => Promise<unknown>
    readonly check: (outcome: Answer | unknown) => Promise<void>
  }): Promise<number> {
    for (let pausedAt = 0; ; pausedAt++) {
      await given.before()
      let paused = false
      shard.beforeSending = async nth => {
        if (nth !== pausedAt || paused) return
        paused = true
        await given.meanwhile()
      }
      const outcome = await given.operation().catch((error: unknown) => error)
      if (!paused) return pausedAt
      await given.check(outcome)
      await flush(address())
    }
  }

  const states = [
    ['on an empty server', async () => undefined, {}],
    ['of a lost shard', () => fillWith(backend, first, IDS).then(() => ask('DEL', 'job@1/identity')), {}],
    ['of a shard without a checkpoint', () => fillWith(backend, first, IDS).then(() => ask('DEL', 'job@1/checkpoint/0')), {}],
    ['of a shard that nothing names any more', () => fillWith(backend, first, IDS).then(() => ask('DEL', 'job@1/identity', 'job@1/keys')), {}],
    ['of a shard that is to be opened anew', () => fillWith(backend, first, IDS), { anew: true }],
  ] as const

  it.each(states)('opens nothing of what was dropped meanwhile, %s', async (_, before, options) => {
    const pauses = await pausedAnywhere({
      before: async () => {
        await ask('MSET', ...OTHERS)
        await before()
      },
      operation: () => late.open('a', options),
      meanwhile: () => backend.admin(first).drop('a'),
      async check(outcome) {
        expect(outcome).toBe('dropped')
        expect(await keys()).toEqual(['job/fence'])
        expect(await ask('DBSIZE')).toBe(OTHERS.length / 2 + 1)
      },
    })
    expect(pauses).toBeGreaterThan(4)
  })

  it.each(states)('takes nothing back from whoever opened and filled it meanwhile, %s', async (_, before, options) => {
    const folded: unknown[] = []
    await pausedAnywhere({
      before,
      operation: () => late.open('a', options),
      async meanwhile() {
        if ((await backend.admin(first).open('a', options)) === 'kept') return
        await fillWith(backend, first, ['one'])
      },
      async check(outcome) {
        expect(['opened', 'kept']).toContain(outcome)
        folded.push(await backend.writer(first).checkpoints('a'))
        const filled = await backend.reader(first).filled('a')
        expect(folded.at(-1)).toEqual({ kind: 'open', checkpoints: [filled ? at(1) : checkpointZero] })
      },
    })
    expect(folded).toContainEqual({ kind: 'open', checkpoints: [at(1)] })
  })

  it('opens nothing of what was dropped, and leaves alone what was opened under its name since', async () => {
    const another = { ...first, uid: 'another' }
    await pausedAnywhere({
      before: () => fillWith(backend, first, IDS).then(() => ask('DEL', 'job@1/identity')),
      operation: () => late.open('a'),
      async meanwhile() {
        await backend.admin(first).drop('a')
        await fillWith(backend, another, ['one', 'id-1'])
      },
      async check(outcome) {
        expect(outcome).toBe('dropped')
        const own = ['job@1/checkpoint/0', 'job@1/filled', 'job@1/identity', 'job@1/keys', 'job@1/opening', 'job@1:id-1', 'job@1:one']
        expect(await keys()).toEqual(['job/fence', ...own])
        expect(await backend.reader(another).filled('a')).toBe(true)
      },
    })
  })

  it('shows nothing that people were led away from meanwhile', async () => {
    const pauses = await pausedAnywhere({
      async before() {
        for (const generation of [first, second]) await fillWith(backend, generation, ['one'])
      },
      operation: () => late.serve('a', command1),
      meanwhile: () => backend.admin(second).serve('a', command2),
      async check(outcome) {
        expect(outcome).toBe('outdated')
        expect(await ask('GET', 'job/serving')).toBe('job@2')
        expect(await ask('HGET', 'job/fence', 'served')).toBe(JSON.stringify(command2))
      },
    })
    expect(pauses).toBe(2)
  })

  it('shows what it should where people were led by an older command meanwhile', async () => {
    await pausedAnywhere({
      async before() {
        for (const generation of [first, second]) await fillWith(backend, generation, ['one'])
      },
      operation: () => late.serve('a', command2),
      meanwhile: () => backend.admin(second).serve('a', command1),
      async check(outcome) {
        expect(outcome).toBe('shown')
        expect(await ask('GET', 'job/serving')).toBe('job@1')
        expect(await ask('HGET', 'job/fence', 'served')).toBe(JSON.stringify(command2))
      },
    })
  })

  it('shows nothing that was dropped meanwhile', async () => {
    await pausedAnywhere({
      before: () => fillWith(backend, first, ['one']),
      operation: () => late.serve('a', command1),
      meanwhile: () => backend.admin(first).drop('a'),
      async check(outcome) {
        expect(outcome).toMatchObject({ code: 'view-lost' })
        expect(await keys()).toEqual(['job/fence'])
        expect(await ask('HKEYS', 'job/fence')).toEqual(['dropped:uid of job@1'])
      },
    })
  })

  it('drops all the same where it was opened anew, filled and shown meanwhile', async () => {
    const pauses = await pausedAnywhere({
      async before() {
        await ask('MSET', ...OTHERS)
        await fillWith(backend, first, IDS)
      },
      operation: () => late.drop('a'),
      async meanwhile() {
        const admin = backend.admin(first)
        if ((await admin.open('a', { anew: true })) === 'dropped') return
        await fillWith(backend, first, IDS)
        await admin.serve('a', command1)
      },
      async check(outcome) {
        expect(outcome).toBe(undefined)
        expect(await keys()).toEqual(['job/fence'])
      },
    })
    expect(pauses).toBeGreaterThan(4)
  })

  it('drops nothing of what was opened under its name meanwhile', async () => {
    const another = { ...first, uid: 'another' }
    await pausedAnywhere({
      before: () => fillWith(backend, first, IDS),
      operation: () => late.drop('a'),
      async meanwhile() {
        await backend.admin(first).drop('a')
        await fillWith(backend, another, ['one', 'id-1'])
        await backend.admin(another).serve('a', command1)
      },
      async check() {
        expect((await backend.reader(another).get(['one', 'id-1'])).map(textOf)).toEqual(['"one"', '"id-1"'])
        expect(await backend.admin(another).marks('a')).toEqual({ filled: true, shown: true })
        expect(await ask('HKEYS', 'job/fence')).toEqual(['dropped:uid of job@1', 'served'])
      },
    })
  })

  it('leaves what is shown meanwhile to the generation that is', async () => {
    await pausedAnywhere({
      async before() {
        for (const generation of [first, second]) await fillWith(backend, generation, ['one'])
        await backend.admin(first).serve('a', command1)
      },
      operation: () => late.drop('a'),
      meanwhile: () => backend.admin(second).serve('a', command2),
      async check() {
        expect(await ask('GET', 'job/serving')).toBe('job@2')
        expect((await ask('KEYS', 'job@1*')) as string[]).toEqual([])
      },
    })
  })

  it('goes on with a drop that was cut off before any of its requests', async () => {
    let cutAt = 0
    for (let whole = false; !whole; cutAt++) {
      await ask('MSET', ...OTHERS)
      await fillWith(backend, first, IDS)
      await backend.admin(first).serve('a', command1)
      shard.beforeSending = nth => {
        if (nth === cutAt) throw new LogfoldError('view-unavailable', 'The connection was cut')
      }
      whole = await late.drop('a').then(
        () => true,
        () => false,
      )
      if (cutAt > 2) expect(await backend.admin(first).open('a')).toBe('dropped')
      await backend.admin(first).drop('a')
      expect(await keys()).toEqual(['job/fence'])
      expect(await ask('DBSIZE')).toBe(OTHERS.length / 2 + 1)
      await flush(address())
    }
    expect(cutAt).toBeGreaterThan(4)
  })

  it('is stopped by the signal between two steps, and goes on', async () => {
    await fillWith(backend, first, IDS)
    const aborted = new AbortController()
    aborted.abort()
    const before = await keys()
    await late.drop('a', aborted.signal)
    expect(await keys()).toEqual(before)
    const aborting = new AbortController()
    // Its entries have only begun to go.
    shard.beforeSending = nth => nth === 3 && aborting.abort()
    await late.drop('a', aborting.signal)
    const left = (await keys()).filter(key => key.startsWith('job@1:')).length
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThan(IDS.length)
    expect(await backend.admin(first).open('a')).toBe('dropped')
    await late.drop('a')
    expect(await keys()).toEqual(['job/fence'])
  })
})

/** The same without pauses: whatever the order is in which a server takes it. */
describe('at the same time', () => {
  const { address, ask, open } = useRedis()

  it('opening, filling, showing and dropping leave nothing of what was dropped, and show the newest', { timeout: 60_000 }, async () => {
    const workers = [await open(), await open(), await open()]
    const [one] = workers
    if (one === undefined) return
    const outcomes = new Set<unknown>()
    for (let round = 0; round < 40; round++) {
      await fillWith(one, second, ['one'])
      const opened = workers.map(async (worker, number) => {
        const admin = worker.admin(first)
        for (let times = 0; times < 6; times++) {
          outcomes.add(await admin.open('a', { anew: times % 2 === number % 2 }))
          outcomes.add(await admin.serve('a', command1).catch((error: LogfoldError) => error.code))
        }
      })
      const dropped = workers.slice(1).map(async worker => {
        await new Promise(resolve => setTimeout(resolve, Math.random() * 12))
        await worker.admin(first).drop('a')
      })
      const shown = one.admin(second).serve('a', command2)
      await Promise.all([...opened, ...dropped, shown])
      expect(await shown).toBe('shown')
      expect(await ask('GET', 'job/serving')).toBe('job@2')
      expect(await ask('KEYS', 'job@1*')).toEqual([])
      expect(await one.admin(first).open('a')).toBe('dropped')
      await flush(address())
    }
    expect([...outcomes]).toEqual(expect.arrayContaining(['opened', 'kept', 'dropped', 'outdated', 'view-lost']))
  })
})
