import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AdminServer, createAdmin } from '../src/admin/server.ts'
import type { ReadinessCheck } from '../src/admin/status.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import type { DeadLetter, DeadLetterWithBytes } from '../src/model/dead-letter.ts'
import { LogfoldError } from '../src/model/errors.ts'
import { TestLogger, TestView } from './support/api-world.ts'
import { noGenerations } from './support/generation-status.ts'
import { request } from './support/raw-request.ts'

const letterOf = (offset: number): DeadLetter => ({
  letter: `1:0:${offset}:topic-1`,
  generation: 1,
  partition: 0,
  offset,
  topicId: 'topic-1',
  otherTopic: false,
  otherGeneration: false,
  timestampMs: 1700000000000,
  reason: 'value-not-json',
  detail: 'The value is not JSON',
  id: `id-${offset}`,
  keyBytes: 4,
  valueBytes: 1,
  resolvedBy: undefined,
})

const bytesOf: Readonly<Record<string, Pick<DeadLetterWithBytes, 'key' | 'value'>>> = {
  '1:0:0:topic-1': { key: Buffer.from('id-0'), value: Buffer.from('{é') },
  '1:0:1:topic-1': { key: null, value: Buffer.from([0xff]) },
  '1:0:2:topic-1': { key: Buffer.from([0xff]), value: null },
}

let view: TestView
let checks: readonly ReadinessCheck[] | Error
let admin: AdminServer
let port: number
const logger = new TestLogger()

const start = async (host = '127.0.0.1'): Promise<void> => {
  const metrics = new Metrics('1.2.3')
  const tokens = { ops: { sha256: hash('sha256', 'secret', 'hex'), scopes: ['read'] as const } }
  const status = {
    readiness: async () => {
      if (checks instanceof Error) throw checks
      return checks
    },
    views: async () => [{ view: 'job', lagRecords: 0 }],
    unconfigured: () => [{ view: 'note', generations: [] }],
    view: async (name: string) => ({ view: name, lagRecords: 0, generations: [] }),
  }
  const none = async () => ({})
  const verbs = { verify: none, verifyStatus: () => undefined, cancelVerify: none, replay: none, drop: none, ...noGenerations }
  admin = createAdmin({ host, port: 0, tokens, views: new Map([['job', view]]), status, verbs, logger, metrics })
  port = (await admin.listen()).port
}

beforeEach(async () => {
  view = await new TestView({}).open()
  const letters = [0, 1, 2].map(letterOf)
  view.deadLetters = () => ({
    unresolved: () => false,
    counts: () => ({ own: letters.length, unresolved: letters.length }),
    list: ({ after, limit }) => {
      const from = after === undefined ? 0 : letters.findIndex(({ letter }) => letter === after) + 1
      return { letters: letters.slice(from, from + limit), total: letters.length, complete: true }
    },
    show: async letter => {
      const found = letters.find(one => one.letter === letter)
      const bytes = bytesOf[letter]
      if (found === undefined || bytes === undefined) throw new LogfoldError('no-such-dead-letter', `There is no dead letter ${letter}`)
      return { ...found, ...bytes }
    },
  })
  checks = [{ name: 'job', ok: true, detail: 'caught up' }]
  await start()
})
afterEach(() => admin.close())

const get = (path: string, headers: Record<string, string> = {}): ReturnType<typeof request> => request(port, path, { headers })
const getText = async (path: string): Promise<readonly [number, string]> => {
  const { status, body } = await get(path)
  return [status, body.toString()]
}
const getJson = async (path: string): Promise<unknown> => JSON.parse((await get(path)).body.toString())

describe('the probes', () => {
  it('say that the process lives', async () => {
    expect(await getText('/livez')).toEqual([200, 'ok\n'])
  })

  it('say whether it is ready, and what it lacks', async () => {
    expect(await getText('/readyz')).toEqual([200, 'ready\n'])
    expect(await getText('/readyz?verbose')).toEqual([200, '[+] job: caught up\nready\n'])
    checks = [
      { name: 'job', ok: true, detail: 'caught up' },
      { name: 'log', ok: false, detail: '10 of 100 records' },
    ]
    expect(await getText('/readyz')).toEqual([503, '[+] job: caught up\n[-] log: 10 of 100 records\nnot ready\n'])
    checks = new Error('no idea')
    expect(await getText('/readyz?verbose')).toEqual([503, '[-] readiness: no idea\nnot ready\n'])
  })

  it('give the metrics, their own requests among them', async () => {
    await get('/livez')
    const answer = await get('/metrics')
    expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
    const text = answer.body.toString()
    expect(text).toContain('logfold_build_info{version="1.2.3",node=')
    expect(text).toContain('logfold_http_request_duration_seconds_count{route="/livez",method="GET",status="200"} 1')
  })
})

describe('the console', () => {
  it('is one page whose own script and style its policy names, and no other', async () => {
    const { status, headers, body } = await get('/console')
    const page = body.toString()
    const hashes = (tag: string): string[] =>
      [...page.matchAll(new RegExp(`<${tag}[^>]*>(.+?)</${tag}>`, 'gs'))].map(([, text = '']) => `'sha256-${hash('sha256', text, 'base64')}'`)
    const [scripts, styles] = [hashes('script'), hashes('style')]
    expect([status, headers['content-type'], scripts.length, styles.length]).toEqual([200, 'text/html; charset=utf-8', 1, 1])
    expect(headers['content-security-policy']).toBe(
      `default-src 'none'; script-src ${scripts[0]}; style-src ${styles[0]}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    )
    expect(page.match(/\b(src|href)="(?!data:,")/)).toBeNull()
    expect((await get('/console?x=1')).status).toBe(400)
    expect((await request(port, '/console', { method: 'POST' })).status).toBe(405)
  })
})

describe('the views', () => {
  it('are told as their status says', async () => {
    expect(await getJson('/admin/views')).toEqual({ views: [{ view: 'job', lagRecords: 0 }], unconfigured: [{ view: 'note', generations: [] }] })
    expect(await getJson('/admin/views/job')).toEqual({ view: 'job', lagRecords: 0, generations: [] })
    expect(await getJson('/admin/views/none')).toMatchObject({ status: 404, code: 'no-such-view' })
  })
})

describe('dead letters', () => {
  const item = ({ resolvedBy: _, ...rest }: DeadLetter): object => rest

  it('come in pages', async () => {
    const all = [0, 1, 2].map(offset => item(letterOf(offset)))
    expect(await getJson('/admin/views/job/deadletters')).toEqual({ items: all, next: null, total: 3, complete: true })
    expect(await getJson('/admin/views/job/deadletters?limit=2')).toEqual({ items: all.slice(0, 2), next: '1:0:1:topic-1', total: 3, complete: true })
    expect(await getJson('/admin/views/job/deadletters?limit=2&after=1:0:1:topic-1')).toEqual({
      items: all.slice(2),
      next: null,
      total: 3,
      complete: true,
    })
    for (const query of ['limit=0', 'limit=1001', 'after=x', 'after=1:0', 'after=1:0:0:', 'after=1:0:0&after=1:0:1']) {
      expect(await getJson(`/admin/views/job/deadletters?${query}`)).toMatchObject({ code: 'invalid-parameter' })
    }
    expect(await getJson('/admin/views/none/deadletters')).toMatchObject({ code: 'no-such-view' })
  })

  it('are shown with their bytes, as text where they are text', async () => {
    const shown = (offset: number): Promise<unknown> => getJson(`/admin/views/job/deadletters/1:0:${offset}:topic-1`)
    expect(await shown(0)).toEqual({ ...item(letterOf(0)), key: 'id-0', keyBase64: 'aWQtMA==', value: '{é', valueBase64: 'e8Op' })
    expect(await shown(1)).toEqual({ ...item(letterOf(1)), keyBase64: null, valueBase64: '/w==' })
    expect(await shown(2)).toEqual({ ...item(letterOf(2)), keyBase64: '/w==', valueBase64: null })
    expect(await shown(3)).toMatchObject({ status: 404, code: 'no-such-dead-letter' })
  })
})

describe('the admin listener', () => {
  it('refuses as the API does', async () => {
    expect(await getJson('/admin/views?x=1')).toMatchObject({ code: 'unknown-parameter', remedy: 'This address takes no parameters.' })
    expect(await getJson('/livez?x=1')).toMatchObject({ code: 'unknown-parameter' })
    expect(await getJson('/admin/views/')).toMatchObject({ status: 404, code: 'no-such-route' })
    expect(await getJson('/admin/%zz')).toMatchObject({ status: 400, code: 'invalid-request' })
    expect(JSON.parse((await get('/livez', { Host: 'evil.example' })).body.toString())).toMatchObject({ status: 421, code: 'wrong-host' })
    const posted = await request(port, '/admin/views', { method: 'POST' })
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  it('wants no token on loopback, but a right one where there is one', async () => {
    expect((await get('/admin/views')).status).toBe(200)
    expect((await get('/admin/views', { Authorization: 'Bearer secret' })).status).toBe(200)
    expect((await get('/admin/views', { Authorization: 'Bearer x' })).status).toBe(401)
  })

  it('wants a token elsewhere, for all but probes, metrics, and the console, which holds no data', async () => {
    await admin.close()
    await start('0.0.0.0')
    for (const path of ['/livez', '/readyz', '/metrics', '/console']) expect((await get(path)).status).toBe(200)
    for (const path of ['/admin/views', '/admin/views/job', '/admin/views/job/deadletters', '/admin/none']) {
      const answer = await get(path)
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer realm="logfold"'])
    }
    expect((await get('/admin/views/job', { Authorization: 'Bearer secret' })).status).toBe(200)
  })
})
