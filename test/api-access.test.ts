import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startWorld, type World } from './support/api-world.ts'
import { problem, request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const get = (path: string, headers: Record<string, string> = {}, to = world): ReturnType<typeof request> => request(to.port, path, { headers })
describe('a token', () => {
  const token = (name: string): string => hash('sha256', name, 'hex')
  const tokens = {
    reader: { sha256: token('r'), scopes: ['read'] as const },
    writer: { sha256: token('w'), scopes: ['write'] as const },
    both: { sha256: token('b'), scopes: ['read', 'write'] as const },
  }
  const attempt = async (to: World, method: 'GET' | 'PUT', authorization?: string): Promise<readonly unknown[]> => {
    const headers = { 'Content-Type': 'application/json', ...(authorization !== undefined && { Authorization: authorization }) }
    const answer = await request(to.port, method === 'GET' ? '/api' : '/api/job/a', { method, headers, ...(method === 'PUT' && { body: '1' }) })
    return [answer.status, answer.headers['www-authenticate']]
  }
  const wanted = 'Bearer realm="logfold"'
  const lacks = (scope: string): string => `Bearer realm="logfold", error="insufficient_scope", scope="${scope}"`

  it('lets through what its scopes name', async () => {
    await using closed = await startWorld({ http: { tokens, anonymous: [] } })
    expect(await attempt(closed, 'GET')).toEqual([401, wanted])
    expect(await attempt(closed, 'PUT')).toEqual([401, wanted])
    expect(await attempt(closed, 'GET', 'Bearer r')).toEqual([200, undefined])
    expect(await attempt(closed, 'GET', 'bearer  b ')).toEqual([200, undefined])
    expect(await attempt(closed, 'PUT', 'Bearer r')).toEqual([403, lacks('write')])
    expect(await attempt(closed, 'GET', 'Bearer w')).toEqual([403, lacks('read')])
    expect(await attempt(closed, 'PUT', 'Bearer w')).toEqual([200, undefined])
    for (const wrong of ['Bearer x', 'Bearer ', 'Bearer', 'Basic r', `Bearer ${token('r')}`, '']) {
      expect(await attempt(closed, 'GET', wrong)).toEqual([401, `${wanted}, error="invalid_token"`])
    }
    const refused = await get('/api', {}, closed)
    expect(problem(refused.body)).toMatchObject({ code: 'unauthorized', detail: 'A token with the scope read is needed' })
  })

  it('adds to what needs none', async () => {
    await using reading = await startWorld({ http: { tokens, anonymous: ['read'] } })
    expect(await attempt(reading, 'GET')).toEqual([200, undefined])
    expect(await attempt(reading, 'PUT')).toEqual([401, wanted])
    expect(await attempt(reading, 'GET', 'Bearer w')).toEqual([200, undefined])
    expect(await attempt(reading, 'GET', 'Bearer x')).toEqual([401, `${wanted}, error="invalid_token"`])
  })
})

describe('a page of another origin', () => {
  const preflight = { Origin: 'https://a.example', 'Access-Control-Request-Method': 'PUT' }

  it('may use the API where its origin is named', async () => {
    await using shared = await startWorld({ http: { cors: ['https://a.example'], anonymous: [] } })
    const asked = await request(shared.port, '/api/job/a', { method: 'OPTIONS', headers: preflight })
    expect(asked.status).toBe(204)
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': 'https://a.example',
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, DELETE',
      'access-control-allow-headers': 'Authorization, Content-Type, If-None-Match, Logfold-After, Prefer',
      vary: 'Origin',
    })
    const refused = await get('/api/job', { Origin: 'https://a.example' }, shared)
    expect([refused.status, refused.headers['access-control-allow-origin']]).toEqual([401, 'https://a.example'])
    expect(refused.headers['access-control-expose-headers']).toContain('Logfold-Offset')
    for (const Origin of ['https://a.example.evil', 'http://a.example', 'null']) {
      const other = await get('/api', { Origin }, shared)
      expect([other.headers['access-control-allow-origin'], other.headers.vary]).toEqual([undefined, 'Origin'])
    }
  })

  it('may use it where any may', async () => {
    await using shared = await startWorld({ http: { cors: ['*'] } })
    const answer = await get('/api/job', { Origin: 'https://a.example' }, shared)
    expect([answer.headers['access-control-allow-origin'], answer.headers.vary]).toEqual(['*', 'Accept'])
  })

  it('may not otherwise, and no kind of write goes without asking', async () => {
    const asked = await request(world.port, '/api/job/a', { method: 'OPTIONS', headers: preflight })
    expect(Object.keys(asked.headers).filter(name => name.startsWith('access-control'))).toEqual([])
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined]) {
      const headers = { Origin: 'https://a.example', ...(type !== undefined && { 'Content-Type': type }) }
      expect((await request(world.port, '/api/job', { method: 'POST', headers, body: '{}' })).status).toBe(415)
    }
    expect(world.log.appended).toEqual([])
  })
})
