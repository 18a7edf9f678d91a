import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { appliedPreference, readPrefer, waitMsOf } from '../src/api/prefer.ts'
import { countVouched, startWorld, type World } from './support/api-world.ts'
import { request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const type = { 'Content-Type': 'application/json' }
const put = (id: string, headers: Record<string, string> = {}): ReturnType<typeof request> =>
  request(world.port, `/api/job/${id}`, { method: 'PUT', headers: { ...type, ...headers }, body: '1' })

/** Settles once so many records are in the log. */
const appended = async (count: number): Promise<void> => {
  while (world.log.appended.length < count) await new Promise(resolve => setImmediate(resolve))
}

describe('a write', () => {
  it('is answered with 200 or 201 once it is visible', async () => {
    world.view.folds = false
    const written = put('a', { Prefer: 'wait=20' })
    const posted = request(world.port, '/api/job', { method: 'POST', headers: { ...type, Prefer: 'wait=20' }, body: '1' })
    await appended(2)
    await world.view.fold()
    expect([(await written).status, (await written).headers['preference-applied']]).toEqual([200, 'wait=20'])
    expect((await posted).status).toBe(201)
    expect((await written).headers['logfold-generation']).toBe('1')
  })

  it('is seen by the shard that owns it, whatever the others do', async () => {
    const owner = world.view.backend.owner('a')
    world.view.folds = false
    const written = put('a', { Prefer: 'wait=20' })
    await appended(1)
    await world.view.fold([owner])
    expect((await written).status).toBe(200)
  })

  it('that is not visible in time is answered with 202, and so is the next without waiting', async () => {
    world.view.folds = false
    const late = await put('a', { Prefer: 'wait=1' })
    expect(late.status).toBe(202)
    expect(JSON.parse(late.body.toString())).toEqual({ id: 'a', offset: late.headers['logfold-offset'] })
    expect(late.headers['logfold-generation']).toBeUndefined()
    expect(late.headers['preference-applied']).toBe('wait=1')
    // 30 s would be longer than the test may take.
    const next = await put('a', { Prefer: 'wait=30' })
    expect([next.status, next.headers['preference-applied']]).toEqual([202, undefined])
    world.view.folds = true
    await world.view.fold()
    // The shard is seen to have caught up a moment later.
    while ((await put('a', { Prefer: 'wait=20' })).status === 202);
  })

  it('is not waited for where it turns out after the append that nobody folds', async () => {
    const held = Promise.withResolvers<void>()
    world.log.membersHeld = held.promise
    world.log.membersNow = 0
    world.view.folds = false
    const written = put('a', { Prefer: 'wait=30' })
    await appended(1)
    held.resolve()
    expect([(await written).status, (await written).headers['preference-applied']]).toEqual([202, undefined])
  })

  it('is not waited for while nobody folds the view', async () => {
    world.view.folds = false
    world.log.membersNow = 0
    const answers = [await put('a', { Prefer: 'wait=30' }), await put('b', { Prefer: 'wait=30' })]
    expect(answers.map(({ status, headers }) => [status, headers['preference-applied']])).toEqual([
      [202, undefined],
      [202, undefined],
    ])
    expect(world.log.membersAsked).toBe(1)
  })

  it('that prefers so is not waited for', async () => {
    const counter = countVouched(world.view)
    const answer = await put('a', { Prefer: 'respond-async' })
    expect([answer.status, answer.headers['preference-applied']]).toEqual([202, 'respond-async'])
    expect(counter.asked).toBe(0)
  })

  it('whose store does not answer is in the log all the same', async () => {
    world.view.folds = false
    for (const shard of world.view.backend.shards) world.view.backend.faults(shard).away = true
    expect((await put('a', { Prefer: 'wait=30' })).status).toBe(202)
  })

  it('that waits is answered when the server closes', async () => {
    world.view.folds = false
    const counter = countVouched(world.view)
    const written = put('a', { Prefer: 'wait=30' })
    await counter.next()
    await world.api.close()
    expect((await written).status).toBe(202)
  })
})

describe('Prefer', () => {
  it.each([
    [undefined, 1000, undefined],
    ['', 1000, undefined],
    ['return=minimal', 1000, undefined],
    ['respond-async', 0, 'respond-async'],
    ['wait=5', 5000, 'wait=5'],
    ['Wait = "5"', 5000, 'wait=5'],
    ['wait=0', 0, 'wait=0'],
    ['wait=31', 30_000, 'wait=30'],
    ['wait=2, wait=7', 2000, 'wait=2'],
    ['respond-async, wait=5; x=y', 5000, 'respond-async, wait=5'],
    ['wait', 1000, undefined],
    ['wait=-1, wait=x, wait=1.5', 1000, undefined],
    [['return=minimal', 'wait=3'], 3000, 'wait=3'],
  ])('%j waits %i ms', (header, waitMs, applied) => {
    const prefer = readPrefer(header)
    expect([waitMsOf(prefer), appliedPreference(prefer)]).toEqual([waitMs, applied])
  })
})
