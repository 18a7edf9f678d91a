import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startWorld, type World } from './support/api-world.ts'
import { problem, request } from './support/raw-request.ts'

const get = (path: string, headers: Record<string, string>, to: World): ReturnType<typeof request> => request(to.port, path, { headers })
const code = (body: Buffer): unknown => problem(body).code

describe('the static app', () => {
  let folder: string
  let app: World
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'logfold-static-'))
    await mkdir(join(folder, 'sub'))
    await mkdir(join(folder, 'api/job/x'), { recursive: true })
    await Promise.all(
      Object.entries({ 'index.html': '<p>', 'app.js': '1', '.secret': 's', 'sub/a.css': 'p{}', 'api/index.html': 'no', 'api/job/x/y': 'no' }).map(
        ([file, text]) => writeFile(join(folder, file), text),
      ),
    )
    app = await startWorld({ http: { static: folder, anonymous: [] } })
  })
  afterEach(async () => {
    await app[Symbol.asyncDispose]()
    await rm(folder, { recursive: true })
  })

  it('is served at /, and its own scripts and styles run', async () => {
    const page = await get('/', {}, app)
    expect([page.status, page.body.toString(), page.headers['content-type']]).toEqual([200, '<p>', 'text/html; charset=utf-8'])
    expect(page.headers).toMatchObject({
      'content-security-policy':
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-cache',
    })
    expect((await get('/app.js?v=1', {}, app)).headers['content-type']).toBe('text/javascript; charset=utf-8')
    expect((await get('/sub/a.css', {}, app)).headers['content-type']).toBe('text/css; charset=utf-8')
    const { etag = '' } = page.headers
    expect((await get('/', { 'If-None-Match': etag }, app)).status).toBe(304)
  })

  it.each(['/sub', '/sub/', '/.secret', '/..%2fapp.js', '/%2e%2e/app.js', '/none', '/%00'])('has nothing at %s', async path => {
    const answer = await get(path, {}, app)
    expect([answer.status, code(answer.body)]).toEqual([404, 'no-such-route'])
  })

  it('never answers for the API', async () => {
    await using open = await startWorld({ http: { static: folder } })
    for (const path of ['/api/', '/api/index.html', '/api/job/x/y']) {
      const answer = await get(path, {}, open)
      expect(answer.headers['content-type']).toBe('application/problem+json')
      expect(answer.status).toBe(404)
    }
  })
})
