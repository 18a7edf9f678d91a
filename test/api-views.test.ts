import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogfoldError } from '../src/model/errors.ts'
import { startWorld, type World } from './support/api-world.ts'
import { json, problem, put, request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const ids = Array.from({ length: 8 }, (_, at) => `id-${at}`)

describe('a view', () => {
  it('with a schema refuses what does not fit, and says where', async () => {
    await using strict = await startWorld({ schema: () => [{ pointer: '/title', detail: 'must be string' }] })
    const answer = await request(strict.port, '/api/job/one', json({ title: 1 }))
    expect(problem(answer.body)).toEqual({
      type: 'urn:logfold:problem:schema-mismatch',
      title: 'The value does not fit the JSON Schema of the view',
      status: 400,
      detail: 'The value does not fit the JSON Schema of the view',
      code: 'schema-mismatch',
      remedy: 'Correct the members that `errors` names.',
      errors: [{ pointer: '/title', detail: 'must be string' }],
    })
  })

  it.each([{ writable: false }, { partitioner: 'any' as const }])('with %j is not written through REST', async definition => {
    await using readOnly = await startWorld({ definition })
    for (const [method, path] of [
      ['PUT', '/api/job/one'],
      ['DELETE', '/api/job/one'],
      ['POST', '/api/job'],
    ] as const) {
      const answer = await request(readOnly.port, path, { method, headers: { 'Content-Type': 'application/json' } })
      expect([answer.status, answer.headers.allow, problem(answer.body).code]).toEqual([405, 'GET, HEAD, OPTIONS', 'view-read-only'])
    }
    expect(JSON.parse((await request(readOnly.port, '/api')).body.toString()).views[0].writable).toBe(false)
  })

  it('of another name is a 404', async () => {
    for (const path of ['/api/jobs', '/api/jobs/one', '/api/constructor', '/api/Job']) {
      expect(problem((await request(world.port, path)).body)).toMatchObject({ status: 404, code: 'no-such-view' })
    }
  })

  it('of bytes and one of text answer in their types', async () => {
    const octets = { 'Content-Type': 'application/octet-stream' }
    await using bytes = await startWorld({ definition: { format: 'bytes' } })
    const value = Buffer.from([0, 255, 10])
    expect((await request(bytes.port, '/api/job/one', { method: 'PUT', headers: octets, body: value })).status).toBe(200)
    expect((await request(bytes.port, '/api/job/none', { method: 'PUT', headers: octets, body: '' })).status).toBe(200)
    const read = await request(bytes.port, '/api/job/one')
    expect([read.headers['content-type'], read.body]).toEqual(['application/octet-stream', value])
    expect((await request(bytes.port, '/api/job')).body.toString()).toBe('{"none":"",\n"one":"AP8K"}\n')
    await using text = await startWorld({ definition: { format: 'text' } })
    expect((await request(text.port, '/api/job/one', { method: 'PUT', headers: octets, body: 'a\n"é' })).status).toBe(200)
    expect((await request(text.port, '/api/job/one', { method: 'PUT', headers: octets, body: 'a\0' })).status).toBe(400)
    expect((await request(text.port, '/api/job/one')).headers['content-type']).toBe('text/plain; charset=utf-8')
    expect((await request(text.port, '/api/job')).body.toString()).toBe('{"one":"a\\n\\"é"}\n')
  })

  it('that is lost or another’s makes the process look again, and is never a 404', async () => {
    await put(world.port, 'one', '1')
    world.view.backend.faults('a').lose()
    world.view.backend.faults('b').lose()
    for (const path of ['/api/job/none', '/api/job', '/api/job?limit=1', '/api/job?id=one']) {
      const answer = await request(world.port, path)
      expect([answer.status, problem(answer.body).code]).toEqual([503, 'view-lost'])
    }
    expect(world.view.doubts).toBe(4)
  })

  it('whose store is away is a 503 that may be tried again', async () => {
    world.view.backend.faults('a').away = true
    world.view.backend.faults('b').away = true
    const answer = await request(world.port, '/api/job/one')
    expect([answer.status, answer.headers['retry-after'], problem(answer.body).code]).toEqual([503, '1', 'view-unavailable'])
    expect(world.view.doubts).toBe(1)
  })

  it('whose shard fell behind refuses what stands there, and answers the rest', async () => {
    const owned = (shard: string): string => ids.find(id => world.view.backend.owner(id) === shard) ?? ''
    for (const id of ids) await put(world.port, id, '1')
    world.view.behind.add('a')
    for (const path of [`/api/job/${owned('a')}`, `/api/job?id=${owned('a')}&id=${owned('b')}`, '/api/job', '/api/job?limit=1']) {
      const answer = await request(world.port, path)
      expect([answer.status, answer.headers['retry-after'], problem(answer.body).code]).toEqual([503, '1', 'view-behind'])
    }
    const answer = await request(world.port, `/api/job/${owned('b')}`)
    expect([answer.status, answer.headers['logfold-stale']]).toEqual([200, undefined])
    world.view.whenBehind = 'serve'
    for (const path of [`/api/job/${owned('a')}`, '/api/job', '/api/job?limit=1']) {
      const stale = await request(world.port, path)
      expect([stale.status, stale.headers['logfold-stale']]).toEqual([200, 'true'])
    }
    expect((await request(world.port, `/api/job/${owned('b')}`)).headers['logfold-stale']).toBe(undefined)
  })

  it('that falls behind while it is listed cuts the answer off, as its head does not say so', async () => {
    world.view.whenBehind = 'serve'
    for (let at = 0; at < 150; at++) await put(world.port, `id-${at}`, '1')
    const { reader } = world.view
    let pages = 0
    world.view.reader = {
      get: asked => reader.get(asked),
      filled: shard => reader.filled(shard),
      vouched: shard => reader.vouched(shard),
      list: async options => {
        const page = await reader.list(options)
        if (++pages === 1) world.view.behind.add('a')
        return page
      },
    }
    await expect(request(world.port, '/api/job')).rejects.toThrow()
    expect(world.logger.lines).toMatchObject([{ level: 'warn', message: 'An answer under way was cut off', fields: { code: 'view-behind' } }])
  })

  it('that is folded for the first time says how far it is', async () => {
    world.view.servingError = new LogfoldError('view-folding', '10 of 100 records are folded', { retryAfterMs: 2500 })
    const answer = await request(world.port, '/api/job/one')
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '3'])
    expect(problem(answer.body)).toMatchObject({ code: 'view-folding', detail: '10 of 100 records are folded' })
  })
})

it('a bug is answered without what it says of itself, and logged with it', async () => {
  world.view.serving = () => {
    throw new Error('secret')
  }
  const answer = await request(world.port, '/api/job/one')
  expect(problem(answer.body)).toEqual({
    type: 'urn:logfold:problem:internal',
    title: 'A bug in logfold',
    status: 500,
    detail: 'The request met a bug in logfold',
    code: 'internal',
    remedy: 'Report it, with the lines the server logged at this time.',
  })
  expect(world.logger.lines).toMatchObject([{ level: 'error', fields: { code: 'internal', cause: 'secret', route: '/api/:view/:id' } }])
})
