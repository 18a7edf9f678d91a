import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogfoldError } from '../src/model/errors.ts'
import { startWorld, type World } from './support/api-world.ts'
import { json, problem, put, request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

describe('a write', () => {
  it.each([
    ['nothing', '', 'invalid-value', 400],
    ['half a value', '{', 'invalid-value', 400],
    ['a NUL', '{"a":"\\u0000"}', 'invalid-value', 400],
    ['a lone surrogate', '"\\ud800"', 'invalid-value', 400],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'invalid-value', 400],
    ['depth 65', `${'['.repeat(65)}${']'.repeat(65)}`, 'invalid-value', 400],
    ['null', 'null', 'invalid-value', 400],
    ['null and white space', ' null\n', 'invalid-value', 400],
    ['1,000,001 bytes', `"${'x'.repeat(999_999)}"`, 'too-large', 413],
  ])('of %s is refused', async (_what, body, code, status) => {
    const answer = await put(world.port, 'one', body)
    expect([answer.status, problem(answer.body).code]).toEqual([status, code])
    expect(world.log.appended).toEqual([])
  })

  it('to a view that was stopped for safety is refused, in bulk too: it may be the wrong log', async () => {
    world.view.stopped = new LogfoldError('view-stopped', 'The store holds something else')
    const bulk = { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body: '{"id":"one","value":1}\n' }
    for (const answer of [
      await put(world.port, 'one', '1'),
      await request(world.port, '/api/job', bulk),
      await request(world.port, '/api/job/one', { method: 'DELETE' }),
    ]) {
      expect([answer.status, problem(answer.body).code]).toEqual([503, 'view-stopped'])
    }
    expect(world.log.appended).toEqual([])
  })

  it('of null names the way to delete', async () => {
    expect(problem((await put(world.port, 'one', 'null')).body)).toMatchObject({ remedy: 'Use DELETE.' })
  })

  it('of 1,000,000 bytes, 64 deep, is taken', async () => {
    expect((await put(world.port, 'big', `"${'x'.repeat(999_998)}"`)).status).toBe(200)
    expect((await put(world.port, 'deep', `${'['.repeat(64)}${']'.repeat(64)}`)).status).toBe(200)
  })

  it.each([
    ['text/plain', undefined],
    ['application/x-www-form-urlencoded', undefined],
    ['application/json; charset=latin1', undefined],
    ['application/x-ndjson', undefined],
    ['application/json', 'gzip'],
    [undefined, undefined],
  ])('of the type %s, encoded %s, is refused', async (type, encoding) => {
    const headers = { ...(type !== undefined && { 'Content-Type': type }), ...(encoding !== undefined && { 'Content-Encoding': encoding }) }
    const answer = await request(world.port, '/api/job/one', { method: 'PUT', headers, body: '1' })
    expect([answer.status, problem(answer.body).code]).toEqual([415, 'unsupported-media-type'])
    expect(world.log.appended).toEqual([])
  })

  it.each(['If-Match', 'If-None-Match', 'If-Unmodified-Since', 'If-Modified-Since'])('with %s is refused', async header => {
    for (const method of ['PUT', 'DELETE']) {
      const headers = { 'Content-Type': 'application/json', [header]: '"x"' }
      const answer = await request(world.port, '/api/job/one', { method, headers, ...(method === 'PUT' && { body: '1' }) })
      expect(problem(answer.body)).toMatchObject({ status: 400, code: 'conditional-write-unsupported' })
    }
    expect(world.log.appended).toEqual([])
  })

  it('with a body that is too large is refused, with its length announced and without', async () => {
    const body = Buffer.alloc(3_000_000, 0x20)
    for (const headers of [{ 'Content-Length': String(body.length) }, { 'Transfer-Encoding': 'chunked' }]) {
      const answer = await put(world.port, 'one', body, headers)
      expect([answer.status, problem(answer.body).code]).toEqual([413, 'too-large'])
    }
  })

  it('that the topic has no room for is refused, its id counted', async () => {
    const { source } = world.view
    world.view.source = () => ({ ...source(), topic: { ...source().topic, recordBytesMax: 10 } })
    expect((await put(world.port, 'four', '123456')).status).toBe(200)
    const answer = await put(world.port, 'fives', '123456')
    expect([answer.status, problem(answer.body).detail]).toEqual([413, 'Id and value have 11 bytes; topic job takes 10'])
  })

  it('of unknown outcome says so', async () => {
    world.log.script.push({ kind: 'unknown', cause: new Error('no answer') })
    const answer = await put(world.port, 'one', '1')
    expect(problem(answer.body)).toEqual({
      type: 'urn:logfold:problem:outcome-unknown',
      title: 'The log did not confirm the write in time',
      status: 504,
      detail: 'The log did not confirm "one" (no answer); it may still be written',
      code: 'outcome-unknown',
      remedy: 'Look for the entry later, or repeat the write with PUT or DELETE under the same id.',
    })
    expect(answer.headers['retry-after']).toBeUndefined()
  })

  it('that was not sent, as the log is away, may be tried again', async () => {
    world.log.script.push({ kind: 'not-sent', cause: new Error('connection refused') })
    const answer = await put(world.port, 'one', '1')
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
    expect(problem(answer.body)).toMatchObject({ code: 'log-unavailable', detail: 'The log is away: connection refused' })
  })

  it('that the log refuses is the reason the log gives', async () => {
    world.log.script.push({ kind: 'refused', cause: new LogfoldError('too-large', 'Larger than max.message.bytes') })
    expect(problem((await put(world.port, 'one', '1')).body)).toMatchObject({
      status: 413,
      code: 'too-large',
      detail: 'Larger than max.message.bytes',
    })
    world.log.script.push({ kind: 'refused', cause: new Error('no') })
    expect(problem((await put(world.port, 'one', '1')).body)).toMatchObject({ status: 400, code: 'invalid-value' })
  })

  it('is taken while nothing serves, and is then not visible yet', async () => {
    world.view.servingError = new LogfoldError('view-folding', '10 of 100 records')
    expect((await put(world.port, 'one', '1')).status).toBe(202)
    expect(world.log.appended.length).toBe(1)
  })

  it('that breaks off is not taken', async () => {
    const controller = new AbortController()
    const body = new ReadableStream({
      start: stream => {
        stream.enqueue(new TextEncoder().encode('{"a":1}'))
        void request(world.port, '/api').then(() => controller.abort())
      },
    })
    const options = { ...json(1), body, duplex: 'half', signal: controller.signal } as RequestInit
    await expect(fetch(`${world.url}/api/job/one`, options)).rejects.toThrow()
    expect((await put(world.port, 'two', '2')).status).toBe(200)
    expect(world.log.appended.map(({ key }) => String(key))).toEqual(['two'])
    expect(world.logger.lines).toEqual([])
  })
})
