import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startWorld, type World } from './support/api-world.ts'
import { json, problem, request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const get = (path: string, headers: Record<string, string> = {}, to = world): ReturnType<typeof request> => request(to.port, path, { headers })
const code = (body: Buffer): unknown => problem(body).code

/** Sends bytes as they are, and reads what comes until the connection ends. */
const raw = (text: string | Buffer, port = world.port): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', chunk => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
    socket.write(text)
  })

const rawProblem = async (text: string | Buffer): Promise<unknown> => {
  const [head = '', body = ''] = (await raw(text)).split('\r\n\r\n')
  const { code: rawCode, status } = problem(body)
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${String(status)} `))
  expect(head.toLowerCase()).toContain('\r\ncontent-type: application/problem+json')
  return rawCode
}

describe('a route', () => {
  it.each(['/api/', '/API', '/Api/job', '/api/job/', '/api/job/a/b', '/api/job/a/', '/nothing', '/', '//api', '/api//a'])(
    '%s is none',
    async path => {
      const answer = await get(path)
      expect(answer.headers['content-type']).toBe('application/problem+json')
      expect(problem(answer.body)).toMatchObject({ status: 404, code: 'no-such-route', detail: `There is nothing at ${path}` })
    },
  )

  it.each([
    ['POST', '/api', 'GET, HEAD, OPTIONS'],
    ['PUT', '/api/job', 'GET, HEAD, POST, OPTIONS'],
    ['DELETE', '/api/job', 'GET, HEAD, POST, OPTIONS'],
    ['POST', '/api/job/a', 'GET, HEAD, PUT, DELETE, OPTIONS'],
    ['PATCH', '/api/job/a', 'GET, HEAD, PUT, DELETE, OPTIONS'],
  ])('refuses %s %s by name', async (method, path, allow) => {
    const answer = await request(world.port, path, { method })
    expect([answer.status, answer.headers.allow, code(answer.body)]).toEqual([405, allow, 'method-not-allowed'])
    const options = await request(world.port, path, { method: 'OPTIONS' })
    expect([options.status, options.headers.allow]).toEqual([204, allow])
  })

  it.each(['/api/job/%zz', '/api/job/%C3', '/%', '/api/%ff'])('%s is no path', async path => {
    const answer = await get(path)
    expect([answer.status, answer.headers['content-type'], code(answer.body)]).toEqual([400, 'application/problem+json', 'invalid-request'])
  })
})

describe('a request', () => {
  it('has a URL of 8 KiB at most', async () => {
    const fits = `/api/job?id=${'x'.repeat(8192 - '/api/job?id='.length)}`
    expect(code((await get(fits)).body)).toBe('invalid-id')
    for (const bytes of [8193, 30_000]) {
      const answer = await get(`/${'x'.repeat(bytes - 1)}`)
      expect([answer.status, code(answer.body)]).toEqual([414, 'url-too-long'])
    }
  })

  it('has headers of 16 KiB at most', async () => {
    const fixed = { Host: 'localhost', Connection: 'close' }
    const room = 16 * 1024 - 'Host: localhost\r\nConnection: close\r\nX: \r\n'.length
    expect((await get('/api', { ...fixed, X: 'x'.repeat(room) })).status).toBe(200)
    expect((await get('/api', { ...fixed, X: 'x'.repeat(room + 1) })).status).toBe(431)
    for (const bytes of [16 * 1024, 40_000]) {
      const answer = await get('/api', { X: 'x'.repeat(bytes) })
      expect([answer.status, code(answer.body)]).toEqual([431, 'headers-too-large'])
    }
  })

  it('that is no HTTP is answered as a problem', async () => {
    expect(await rawProblem('hello\r\n\r\n')).toBe('invalid-request')
    expect(await rawProblem('GET /api HTTP/1.1\r\nHost: localhost\r\nX y\r\n\r\n')).toBe('invalid-request')
    expect(await rawProblem('GET /api HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')).toBe('wrong-host')
    expect(await rawProblem('GET /api HTTP/1.1\r\nConnection: close\r\n\r\n')).toBe('invalid-request')
    for (const path of ['/api/job/é', '/api/job?id=é']) {
      expect(await rawProblem(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`))).toBe('invalid-request')
    }
    expect(
      await rawProblem('PUT /api/job/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    ).toBe('invalid-request')
    expect(world.log.appended).toEqual([])
    expect(world.logger.lines).toEqual([])
  })

  it('may have an expectation that nobody knows', async () => {
    expect(await raw('GET /api HTTP/1.1\r\nHost: localhost\r\nExpect: miracle\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('on loopback', () => {
  it.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '[::1]:80'])('the Host %s is this server', async host => {
    expect((await get('/api', { Host: host })).status).toBe(200)
  })

  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '[::2]', 'localhost:80:80', 'a@localhost'])(
    'the Host %j is another',
    async host => {
      for (const path of ['/api', '/']) {
        const answer = await get(path, { Host: host })
        expect([answer.status, code(answer.body)]).toEqual([421, 'wrong-host'])
      }
    },
  )

  it('only: elsewhere any Host will do', async () => {
    await using open = await startWorld({ http: { host: '0.0.0.0' } })
    expect((await get('/api', { Host: 'logfold.example' }, open)).status).toBe(200)
  })
})

it('requests are measured by their route, not their URL', async () => {
  await get('/api/job')
  await get('/api/job/secret-id')
  await request(world.port, '/api/job/secret-id', json(1))
  await get('/api/none')
  await get('/nothing')
  await get('/api', { Host: 'evil.example' })
  const { values } = await world.metrics.httpRequestDuration.get()
  const counts = values
    .filter(({ metricName }) => metricName?.endsWith('_count'))
    .map(({ labels, value }) => [Object.values(labels).join(' '), value])
  expect(Object.fromEntries(counts)).toEqual({
    '/api/:view GET 200': 1,
    '/api/:view/:id GET 404': 1,
    '/api/:view/:id PUT 200': 1,
    '/api/:view GET 404': 1,
    'none GET 404': 1,
    'none GET 421': 1,
  })
})
