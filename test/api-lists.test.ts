import http from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LogfoldError } from '../src/model/errors.ts'
import type { ListOptions, Page, ViewReader } from '../src/model/view-backend.ts'
import { startWorld, type World } from './support/api-world.ts'
import { json, request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const put = async (id: string, body: string, to = world): Promise<void> => {
  const headers = { 'Content-Type': 'application/json' }
  const answer = await request(to.port, `/api/job/${encodeURIComponent(id)}`, { method: 'PUT', headers, body })
  expect(answer.status).toBe(200)
}
const get = (path: string, headers: Record<string, string> = {}): ReturnType<typeof request> => request(world.port, path, { headers })
const code = (body: Buffer): unknown => JSON.parse(body.toString()).code
const lines = { Accept: 'application/x-ndjson' }

/** A reader whose pages a test makes. */
const listing = (list: (options: ListOptions) => Promise<Page>): ViewReader => ({
  get: async ids => ids.map(() => undefined),
  vouched: async () => [],
  filled: async () => true,
  list,
})

const entryOf = (at: number): { id: string; value: Uint8Array } => ({ id: `id-${at}`, value: Buffer.from(`{"at":${at}}`) })

describe('GET /api', () => {
  it('tells the views', async () => {
    const answer = await get('/api')
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    const view = { name: 'job', format: 'json', ordered: true, lookups: [], writable: true, generation: 1 }
    expect(JSON.parse(answer.body.toString())).toEqual({ views: [view] })
    world.view.servingError = new LogfoldError('view-folding', 'not yet')
    expect(JSON.parse((await get('/api')).body.toString())).toEqual({ views: [{ ...view, generation: null }] })
  })
})

describe('GET /api/:view', () => {
  it('is one object of all entries, with their bytes as stored', async () => {
    await put('b', '{"n": 9007199254740993,\n"a":1,"a":2}')
    await put('__proto__', '1e400000')
    await put('a"\\', '[]')
    const answer = await get('/api/job')
    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json',
      'cache-control': 'no-cache',
      'logfold-generation': '1',
      vary: 'Accept',
    })
    expect(answer.headers.trailer).toBeUndefined()
    expect(answer.body.toString()).toBe('{"__proto__":1e400000,\n"a\\"\\\\":[],\n"b":{"n": 9007199254740993,\n"a":1,"a":2}}\n')
  })

  it('is an empty object, or no line, without entries', async () => {
    expect((await get('/api/job')).body.toString()).toBe('{}\n')
    expect((await get('/api/job', lines)).body.toString()).toBe('')
    expect((await get('/api/job?limit=1')).body.toString()).toBe('{"items":[],"next":null}\n')
  })

  it('is a line an entry where that is accepted, each without line breaks', async () => {
    await put('a', '{"x":\r\n"\\n"}')
    await put('b', '2')
    const answer = await get('/api/job', lines)
    expect(answer.headers['content-type']).toBe('application/x-ndjson')
    expect(answer.body.toString()).toBe('{"id":"a","value":{"x":  "\\n"}}\n{"id":"b","value":2}\n')
    expect((await get('/api/job?limit=1', lines)).body.toString()).toBe('{"id":"a","value":{"x":  "\\n"}}\n')
    expect((await get('/api/job?id=b', lines)).body.toString()).toBe('{"id":"b","value":2}\n')
  })

  it.each(['*/*', 'text/html,application/xhtml+xml,*/*;q=0.8', 'application/*', 'application/json, application/x-ndjson'])(
    'is JSON for Accept: %s',
    async Accept => {
      expect((await get('/api/job', { Accept })).headers['content-type']).toBe('application/json')
    },
  )

  it('is refused in a type that is not on offer', async () => {
    const answer = await get('/api/job', { Accept: 'text/html' })
    expect([answer.status, code(answer.body)]).toEqual([406, 'not-acceptable'])
  })

  it('answers HEAD without entries', async () => {
    let asked = 0
    world.view.reader = listing(async () => ({ entries: [entryOf(asked++)], cursor: asked < 9 ? 'more' : undefined }))
    const answer = await request(world.port, '/api/job', { method: 'HEAD' })
    expect(asked).toBe(1)
    expect([answer.status, answer.headers['content-type'], answer.body.length]).toEqual([200, 'application/json', 0])
  })

  it('holds all entries of many pages once, in order, for any size of page', async () => {
    const limitsSeen: number[] = []
    world.view.reader = listing(async ({ cursor, limit }) => {
      limitsSeen.push(limit)
      const from = Number(cursor ?? 0)
      const to = Math.min(from + limit, 5000)
      const entries = Array.from({ length: to - from }, (_, at) => entryOf(from + at))
      return { entries, cursor: to === 5000 ? undefined : String(to) }
    })
    const all = JSON.parse((await get('/api/job')).body.toString())
    expect(Object.entries(all)).toEqual(Array.from({ length: 5000 }, (_, at) => [`id-${at}`, { at }]))
    expect(limitsSeen).toEqual([100, 400, 1000, 1000, 1000, 1000, 1000])
  })

  it('asks for fewer entries at once where they are large', async () => {
    const limitsSeen: number[] = []
    const value = Buffer.from(`"${'x'.repeat(99_998)}"`)
    world.view.reader = listing(async ({ limit }) => {
      limitsSeen.push(limit)
      const entries = Array.from({ length: limit }, (_, at) => ({ id: String(at), value }))
      return { entries, cursor: limitsSeen.length < 3 ? 'more' : undefined }
    })
    await get('/api/job')
    expect(limitsSeen).toEqual([100, 10, 10])
  })

  it('reads no further ahead than the client does', async () => {
    let asked = 0
    const value = Buffer.from(`"${'x'.repeat(999_998)}"`)
    world.view.reader = listing(async () => ({ entries: [{ id: String(asked++), value }], cursor: 'more' }))
    const begun = Promise.withResolvers<http.IncomingMessage>()
    const sent = http.get({ port: world.port, host: '127.0.0.1', path: '/api/job', agent: false }, begun.resolve)
    sent.on('error', () => {})
    const answer = await begun.promise
    answer.on('error', () => {}).pause()
    // The list has no end, but sockets hold a few megabytes and no more.
    for (let still = 0, before = 0; still < 20; before = asked) {
      await request(world.port, '/api')
      still = asked === before ? still + 1 : 0
    }
    expect(asked).toBeLessThan(50)
    const askedBefore = asked
    const gone = new Promise(resolve => answer.once('close', resolve))
    sent.destroy()
    await gone
    for (let rounds = 0; rounds < 5; rounds++) await request(world.port, '/api')
    expect(asked).toBeLessThanOrEqual(askedBefore + 1)
    expect(world.logger.lines).toEqual([])
  })

  it.each(['application/json', 'application/x-ndjson'])('that fails half way never looks whole (%s)', async Accept => {
    world.view.reader = listing(async ({ cursor }) => {
      if (cursor !== undefined) throw new LogfoldError('view-unavailable', 'The store went away')
      return { entries: [entryOf(0)], cursor: 'more' }
    })
    await expect(get('/api/job', { Accept })).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect(world.logger.lines).toMatchObject([{ level: 'warn', message: 'An answer under way was cut off', fields: { code: 'view-unavailable' } }])
  })

  it('that fails before its first entry is a problem document', async () => {
    world.view.reader = listing(() => Promise.reject(new LogfoldError('view-unavailable', 'The store is away')))
    const answer = await get('/api/job')
    expect([answer.status, answer.headers['content-type'], code(answer.body)]).toEqual([503, 'application/problem+json', 'view-unavailable'])
  })
})

describe('a page', () => {
  it('leads to the next, and the last one to none', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) await put(id, `"${id}"`)
    const seen: unknown[] = []
    let path: string | undefined = '/api/job?limit=2'
    for (let pages = 1; path !== undefined; pages++) {
      const answer: Awaited<ReturnType<typeof get>> = await get(path)
      const page = JSON.parse(answer.body.toString())
      seen.push(...page.items)
      path = /^<([^>]*)>; rel="next"$/.exec(String(answer.headers.link))?.[1]
      expect(page.next).toBe(path === undefined ? null : new URL(path, world.url).searchParams.get('cursor'))
      expect(pages).toBeLessThan(4)
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e'].map(id => ({ id, value: id })))
  })

  it('has 100 entries unless another number is asked for, and at most 1,000', async () => {
    const limitsSeen: number[] = []
    world.view.reader = listing(async ({ limit, cursor }) => {
      limitsSeen.push(limit)
      return { entries: [entryOf(0)], cursor: cursor ?? 'inner' }
    })
    const { next } = JSON.parse((await get('/api/job?limit=1000')).body.toString())
    await get(`/api/job?cursor=${next}`)
    expect(limitsSeen).toEqual([1000, 100])
    for (const limit of ['0', '1001', '-1', '1.5', '', 'x', '01']) {
      const answer = await get(`/api/job?limit=${limit}`)
      expect([answer.status, code(answer.body)]).toEqual([400, 'invalid-parameter'])
    }
  })

  it('is not empty before the end', async () => {
    const answers: Page[] = [
      { entries: [], cursor: '1' },
      { entries: [], cursor: '2' },
      { entries: [entryOf(0)], cursor: undefined },
    ]
    world.view.reader = listing(async () => answers.shift() ?? { entries: [], cursor: undefined })
    expect((await get('/api/job?limit=5')).body.toString()).toBe('{"items":[{"id":"id-0","value":{"at":0}}],"next":null}\n')
  })

  it('begins with a prefix where the view is ordered', async () => {
    for (const id of ['a', 'b1', 'b2', 'c']) await put(id, '1')
    expect(JSON.parse((await get('/api/job?prefix=b')).body.toString())).toEqual({ b1: 1, b2: 1 })
    const page = await get('/api/job?prefix=b&limit=1')
    expect(JSON.parse(page.body.toString()).items).toEqual([{ id: 'b1', value: 1 }])
    const path = /^<([^>]*)>/.exec(String(page.headers.link))?.[1] ?? ''
    expect(JSON.parse((await get(path)).body.toString())).toEqual({ items: [{ id: 'b2', value: 1 }], next: null })
    await using unordered = await startWorld({ definition: { ordered: false } })
    const refused = await request(unordered.port, '/api/job?prefix=b')
    expect([refused.status, code(refused.body)]).toEqual([400, 'invalid-parameter'])
  })

  it('goes on in another generation only where it is ordered', async () => {
    for (const ordered of [true, false]) {
      await using one = await startWorld({ definition: { ordered } })
      await put('a', '1', one)
      await put('b', '2', one)
      const { next } = JSON.parse((await request(one.port, '/api/job?limit=1')).body.toString())
      const { view } = one
      const { serving } = view
      view.serving = () => ({ ...serving(), generation: { ...view.generation, number: 2, uid: 'uid-2' } })
      const answer = await request(one.port, `/api/job?limit=1&cursor=${next}`)
      if (ordered) expect(JSON.parse(answer.body.toString())).toEqual({ items: [{ id: 'b', value: 2 }], next: null })
      else expect([answer.status, code(answer.body)]).toEqual([410, 'cursor-expired'])
    }
  })

  it.each(['x', '', 'bnVsbA', 'WyJ1aWQtMSJd'])('is refused with the cursor %j', async cursor => {
    const answer = await get(`/api/job?cursor=${cursor}`)
    expect([answer.status, code(answer.body)]).toEqual([400, 'invalid-parameter'])
  })
})

describe('a list by id', () => {
  it('has the entries that are there, each once', async () => {
    await put('a', '1')
    await put('..', '2')
    await put('é+ ', '3')
    const answer = await get('/api/job?id=a&id=..&id=none&id=a&id=%C3%A9%2B+')
    expect(answer.body.toString()).toBe('{"a":1,\n"..":2,\n"é+ ":3}\n')
    expect(answer.headers['logfold-unresolved']).toBeUndefined()
    world.view.unresolved.add('none')
    expect((await get('/api/job?id=a&id=none')).headers['logfold-unresolved']).toBe('true')
  })

  it('refuses what is no id', async () => {
    for (const id of ['', '%00']) expect(code((await get(`/api/job?id=a&id=${id}`)).body)).toBe('invalid-id')
    expect(code((await get('/api/job?id=a&limit=1')).body)).toBe('invalid-parameter')
  })
})

describe('a parameter', () => {
  it('that is not known is refused with those that are', async () => {
    const answer = await get('/api/job?lmit=1&x=2')
    expect(JSON.parse(answer.body.toString())).toEqual({
      type: 'urn:logfold:problem:unknown-parameter',
      title: 'There is no such parameter',
      status: 400,
      detail: 'There is no parameter "lmit", "x"',
      code: 'unknown-parameter',
      remedy: 'Known here: id, limit, cursor, prefix.',
      errors: [
        { pointer: 'lmit', detail: 'There is no such parameter' },
        { pointer: 'x', detail: 'There is no such parameter' },
      ],
    })
    for (const [method, path] of [
      ['GET', '/api?x'],
      ['GET', '/api/job/a?x'],
      ['PUT', '/api/job/a?x'],
      ['POST', '/api/job?x'],
    ] as const) {
      const options = method === 'GET' ? { method } : { ...json(1), method }
      expect(code((await request(world.port, path, options)).body)).toBe('unknown-parameter')
    }
  })

  it('that comes twice is refused', async () => {
    for (const query of ['limit=1&limit=1', 'limit=1&cursor=a&cursor=b', 'prefix=a&prefix=b']) {
      expect(code((await get(`/api/job?${query}`)).body)).toBe('invalid-parameter')
    }
  })

  it('whose escapes are broken is refused', async () => {
    for (const query of ['prefix=%zz', 'prefix=%C3', '%ff=1']) expect(code((await get(`/api/job?${query}`)).body)).toBe('invalid-request')
  })
})
