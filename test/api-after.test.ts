import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
const get = (path: string, headers: Record<string, string> = {}): ReturnType<typeof request> => request(world.port, path, { headers })
const code = (body: Buffer): unknown => JSON.parse(body.toString()).code

describe('a read with Logfold-After', () => {
  it('is answered once every shard it reads has folded so far', async () => {
    world.view.folds = false
    const { headers } = await put('a', { Prefer: 'respond-async' })
    const place = String(headers['logfold-offset'])
    const counter = countVouched(world.view)
    const read = get('/api/job/a', { 'Logfold-After': place, Prefer: 'wait=20' })
    await counter.next()
    await world.view.fold()
    const answer = await read
    expect([answer.status, answer.body.toString()]).toEqual([200, '1'])
    expect(answer.headers['logfold-offset']).toBe(place)
    expect(answer.headers['preference-applied']).toBe('wait=20')
  })

  it.each(['a', 'b'])('of one entry asks its own shard %s only, of a list all of them', async owner => {
    const { view } = world
    const id = ['one', 'two', 'three', 'four', 'five'].find(candidate => view.backend.owner(candidate) === owner) ?? ''
    view.folds = false
    const { headers } = await put(id, { Prefer: 'respond-async' })
    const after = { 'Logfold-After': String(headers['logfold-offset']), Prefer: 'wait=0' }
    await view.fold([owner])
    expect((await get(`/api/job/${id}`, after)).status).toBe(200)
    expect((await get(`/api/job?id=${id}`, after)).status).toBe(200)
    for (const path of ['/api/job', '/api/job?limit=1']) {
      const answer = await get(path, after)
      expect([answer.status, answer.headers['retry-after'], code(answer.body)]).toEqual([503, '1', 'not-caught-up'])
    }
  })

  it('tells how far each partition was folded, after the value, also without an entry and with an empty header', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await put(id)
    const expected = world.log.ends.flatMap((end, partition) => (end === 0 ? [] : [`${partition}:${end - 1}`])).join(',')
    expect(expected.split(',').length).toBeGreaterThan(1)
    for (const path of ['/api/job/a', '/api/job/none', '/api/job?id=a', '/api/job?limit=2']) {
      expect((await get(path, { 'Logfold-After': '' })).headers['logfold-offset']).toBe(expected)
      expect((await get(path)).headers['logfold-offset']).toBeUndefined()
    }
    const stream = await get('/api/job', { 'Logfold-After': expected })
    expect(stream.headers.trailer).toBe('Logfold-Offset')
    expect(stream.trailers).toEqual({ 'logfold-offset': expected })
  })

  it('is refused where an older state of the shard was brought back before the value was read', async () => {
    const { view } = world
    const { reader } = view
    await put('a')
    const restore = view.backend.faults(view.backend.owner('a')).backUp()
    const { headers } = await put('a')
    view.reader = {
      list: options => reader.list(options),
      filled: shard => reader.filled(shard),
      vouched: shard => reader.vouched(shard),
      get: ids => {
        restore()
        return reader.get(ids)
      },
    }
    const answer = await get('/api/job/a', { 'Logfold-After': String(headers['logfold-offset']) })
    expect([answer.status, answer.headers['retry-after'], code(answer.body)]).toEqual([503, '1', 'not-caught-up'])
  })

  it('tells no more than the slowest of the shards it read', async () => {
    world.view.folds = false
    await put('a', { Prefer: 'respond-async' })
    await world.view.fold([world.view.backend.owner('a')])
    expect((await get('/api/job?limit=1', { 'Logfold-After': '' })).headers['logfold-offset']).toBe('')
    expect((await get('/api/job/a', { 'Logfold-After': '' })).headers['logfold-offset']).toBe(`${world.log.appended[0]?.partition}:0`)
  })

  it('waits one second, then is refused', async () => {
    world.view.folds = false
    const { headers } = await put('a', { Prefer: 'respond-async' })
    const answer = await get('/api/job/a', { 'Logfold-After': String(headers['logfold-offset']) })
    expect([answer.status, code(answer.body), answer.headers['logfold-generation']]).toEqual([503, 'not-caught-up', '1'])
  })

  it.each(['0:0', '4:0', '0', 'x:1', '0:-1', '0:1:2', '0:99999999999999999', '0:9007199254740993', '1e0:0'])('is refused with %s', async place => {
    const answer = await get('/api/job/a', { 'Logfold-After': place, Prefer: 'wait=30' })
    expect([answer.status, code(answer.body)]).toEqual([400, 'invalid-offset'])
  })

  it('waits where the log cannot tell its end', async () => {
    world.log.away = true
    const answer = await get('/api/job/a', { 'Logfold-After': '0:5', Prefer: 'wait=0' })
    expect([answer.status, code(answer.body)]).toEqual([503, 'not-caught-up'])
  })

  it('takes the later of two places of a partition, and white space', async () => {
    world.view.folds = false
    for (let n = 0; n < 2; n++) await put('a', { Prefer: 'respond-async' })
    const partition = world.log.appended[0]?.partition
    await world.view.fold()
    expect((await get('/api/job/a', { 'Logfold-After': `${partition}:1 , ${partition}:0,`, Prefer: 'wait=0' })).status).toBe(200)
    const refused = await get('/api/job/a', { 'Logfold-After': `${partition}:2,${partition}:0`, Prefer: 'wait=0' })
    expect(code(refused.body)).toBe('invalid-offset')
  })

  it('from a lost store makes the process look again', async () => {
    await put('a')
    for (const shard of world.view.backend.shards) world.view.backend.faults(shard).lose()
    const answer = await get('/api/job/a', { 'Logfold-After': '' })
    expect([answer.status, code(answer.body), world.view.doubts]).toEqual([503, 'view-lost', 1])
  })
})
