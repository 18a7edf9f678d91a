import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startWorld, type World } from './support/api-world.ts'
import { json, problem, put, request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

describe('an entry', () => {
  it('is answered with the exact bytes that were put', async () => {
    const bytes = '{ "n": 9007199254740993, "e": 1e400000, "a":1, "a":2,\n\t"s": "\\u00e9é" }'
    const written = await put(world.port, 'one', bytes)
    expect(written.status).toBe(200)
    const place = `${world.log.appended[0]?.partition}:0`
    expect(JSON.parse(written.body.toString())).toEqual({ id: 'one', offset: place })
    expect(written.headers['logfold-offset']).toBe(place)
    expect(written.headers['logfold-generation']).toBe('1')
    const read = await request(world.port, '/api/job/one')
    expect(read.status).toBe(200)
    expect(read.body.toString()).toBe(bytes)
    expect(read.headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(bytes)),
      'cache-control': 'no-cache',
      'logfold-generation': '1',
      'x-content-type-options': 'nosniff',
    })
    expect(read.headers['logfold-unresolved']).toBeUndefined()
  })

  it('is answered to HEAD without its bytes', async () => {
    await put(world.port, 'one', '{"a":1}')
    const read = await request(world.port, '/api/job/one', { method: 'HEAD' })
    expect(read.status).toBe(200)
    expect(read.headers['content-length']).toBe('7')
    expect(read.body.length).toBe(0)
  })

  it.each([
    ...['__proto__', 'constructor', 'a/b', '100%', 'é', '🐘', ' ', '?x=1&y#z', '"\\', '..', '.'].map(id => [id, id]),
    ['of 512 bytes', 'x'.repeat(512)],
  ])('can have the id %s', async (_what, id = '') => {
    await put(world.port, 'other', '0')
    expect((await put(world.port, id, '"v"')).status).toBe(200)
    const read = await request(world.port, `/api/job/${encodeURIComponent(id)}`)
    expect([read.status, read.body.toString()]).toEqual([200, '"v"'])
    const listed = JSON.parse((await request(world.port, '/api/job')).body.toString())
    expect(new Map(Object.entries(listed)).get(id)).toBe('v')
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it.each([
    ['with NUL', 'a%00', 'The key contains a NUL character'],
    ['of 513 bytes', 'x'.repeat(513), 'The key has 513 bytes of UTF-8; at most 512 are allowed'],
  ])('cannot have an id %s', async (_what, id, detail) => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const headers = { 'Content-Type': 'application/json' }
      const answer = await request(world.port, `/api/job/${id}`, { method, headers, ...(method === 'PUT' && { body: '1' }) })
      expect(answer.headers['content-type']).toBe('application/problem+json')
      expect(problem(answer.body)).toEqual({
        type: 'urn:logfold:problem:invalid-id',
        title: 'The id is outside the limits',
        status: 400,
        detail,
        code: 'invalid-id',
        remedy: 'An id has 1 to 512 bytes of UTF-8, without NUL.',
      })
    }
    expect(world.log.appended).toEqual([])
  })

  it('that is not there is a problem document, with the generation that knows', async () => {
    const answer = await request(world.port, '/api/job/none')
    expect(answer.status).toBe(404)
    expect(answer.headers['logfold-generation']).toBe('1')
    expect(problem(answer.body)).toEqual({
      type: 'urn:logfold:problem:no-such-entry',
      title: 'There is no such entry',
      status: 404,
      detail: 'job has no entry "none"',
      code: 'no-such-entry',
      remedy: 'GET /api/job lists the entries.',
    })
  })

  it('whose last record could not be folded says so', async () => {
    await put(world.port, 'one', '1')
    world.view.unresolved.add('one').add('gone')
    expect((await request(world.port, '/api/job/one')).headers['logfold-unresolved']).toBe('true')
    const gone = await request(world.port, '/api/job/gone')
    expect([gone.status, gone.headers['logfold-unresolved']]).toEqual([404, 'true'])
  })

  it('is not sent again to whom has it', async () => {
    await put(world.port, 'one', '{"a":1}')
    const { etag = '' } = (await request(world.port, '/api/job/one')).headers
    expect(etag).toMatch(/^"[\w-]{27}"$/)
    for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await request(world.port, '/api/job/one', { headers: { 'If-None-Match': header } })
      expect([again.status, again.body.length, again.headers.etag]).toEqual([304, 0, etag])
      expect(again.headers['logfold-generation']).toBe('1')
    }
    expect((await request(world.port, '/api/job/one', { headers: { 'If-None-Match': '"x"' } })).status).toBe(200)
    await put(world.port, 'one', '{"a":2}')
    expect((await request(world.port, '/api/job/one', { headers: { 'If-None-Match': etag } })).status).toBe(200)
    expect((await request(world.port, '/api/job/none', { headers: { 'If-None-Match': '*' } })).status).toBe(404)
  })

  it('is gone after DELETE, which also answers when nothing was there', async () => {
    await put(world.port, 'one', '1')
    const first = await request(world.port, '/api/job/one', { method: 'DELETE' })
    const partition = world.log.appended[0]?.partition
    expect([first.status, JSON.parse(first.body.toString())]).toEqual([200, { id: 'one', offset: `${partition}:1` }])
    expect(world.log.appended[1]?.value).toBeNull()
    expect((await request(world.port, '/api/job/one')).status).toBe(404)
    const second = await request(world.port, '/api/job/one', { method: 'DELETE' })
    expect([second.status, JSON.parse(second.body.toString())]).toEqual([200, { id: 'one', offset: `${partition}:2` }])
  })

  it('gets a new id by POST, and is found at its Location', async () => {
    const answer = await request(world.port, '/api/job', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json; charset=utf-8' },
      body: '{"a":1}',
    })
    expect(answer.status).toBe(201)
    const { id, offset } = JSON.parse(answer.body.toString())
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(offset).toBe(`${world.log.appended[0]?.partition}:0`)
    expect(answer.headers.location).toBe(`/api/job/${id}`)
    expect((await request(world.port, `/api/job/${id}`)).body.toString()).toBe('{"a":1}')
  })
})

describe('a client of the original job board', () => {
  it('finds what it needs', async () => {
    const posted = await fetch(`${world.url}/api/job`, { ...json({ title: 'Smith' }), method: 'POST' })
    const answer = (await posted.json()) as Record<string, unknown>
    expect(Object.values(answer).map(member => typeof member)).toEqual(['string', 'string'])
    const id = String(answer.id)
    expect(await (await fetch(`${world.url}/api/job`)).json()).toEqual({ [id]: { title: 'Smith' } })
    const changed = (await (await fetch(`${world.url}/api/job/${id}`, json({ title: 'Baker' }))).json()) as object
    expect(Object.values(changed).every(member => typeof member === 'string')).toBe(true)
    expect(await (await fetch(`${world.url}/api/job/${id}`)).json()).toEqual({ title: 'Baker' })
    const removed = (await (await fetch(`${world.url}/api/job/${id}`, { method: 'DELETE' })).json()) as object
    expect(Object.values(removed).every(member => typeof member === 'string')).toBe(true)
    expect(await (await fetch(`${world.url}/api/job`)).json()).toEqual({})
  })
})
