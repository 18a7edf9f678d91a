import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AdminServer, createAdmin } from '../src/admin/server.ts'
import type { Verbs } from '../src/admin/verbs.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { LogfoldError } from '../src/model/errors.ts'
import { TestLogger, TestView } from './support/api-world.ts'
import { noGenerations } from './support/generation-status.ts'
import { request } from './support/raw-request.ts'

const VERIFY = '/admin/views/job/verify'
const LETTER = '/admin/views/job/deadletters/1:3:17'
const JSON_TYPE = { 'Content-Type': 'application/json' }
const asked: unknown[] = []

const noSuchLetter = (letter: string): LogfoldError => new LogfoldError('no-such-dead-letter', `There is no dead letter ${letter}`)

const verbs: Verbs = {
  ...noGenerations,
  verify: async (...args) => ({ view: 'job', asked: asked.push(args) }),
  verifyStatus: () => (asked.length === 0 ? undefined : { view: 'job', phase: 'folding' }),
  cancelVerify: async () => (asked.length === 0 ? undefined : { view: 'job', phase: 'cancelled' }),
  async replay(...args) {
    asked.push(args)
    if (args[1] !== '1:3:17') throw noSuchLetter(args[1])
    return { letter: args[1], kind: 'still-faulty', reason: 'value-not-json', detail: 'It is not JSON' }
  },
  async drop(...args) {
    asked.push(args)
    if (args[1] !== '1:3:17') throw noSuchLetter(args[1])
    return { letter: args[1], kind: 'dropped' }
  },
}

let admin: AdminServer
let port: number

const start = async (host = '127.0.0.1'): Promise<void> => {
  const token = (name: string, scopes: readonly ('read' | 'write')[]) => ({ sha256: hash('sha256', name, 'hex'), scopes })
  const tokens = { ops: token('writer', ['read', 'write']), eyes: token('reader', ['read']) }
  const status = { readiness: async () => [], views: async () => [], unconfigured: () => [], view: async () => ({}) }
  const view = await new TestView({}).open()
  admin = createAdmin({ host, port: 0, tokens, views: new Map([['job', view]]), status, verbs, logger: new TestLogger(), metrics: new Metrics('1') })
  port = (await admin.listen()).port
}

beforeEach(async () => {
  asked.length = 0
  await start()
})
afterEach(() => admin.close())

/** @returns status and document */
async function ask(method: string, path: string, body?: string, headers: Record<string, string> = JSON_TYPE): Promise<readonly [number, unknown]> {
  const answer = await request(port, path, { method, headers, ...(body === undefined ? {} : { body }) })
  return [answer.status, JSON.parse(answer.body.toString())]
}

describe('verify', () => {
  it('is started with what it is told, and answers 202 with its status', async () => {
    expect(await ask('POST', VERIFY, '{"repair":true,"rate":5000}')).toEqual([202, { view: 'job', asked: 1 }])
    expect(await ask('POST', VERIFY, '{"rate":1}')).toEqual([202, { view: 'job', asked: 2 }])
    expect(await ask('POST', VERIFY, '', { 'Content-Type': 'Application/JSON; charset=utf-8' })).toEqual([202, { view: 'job', asked: 3 }])
    expect(await ask('POST', VERIFY)).toEqual([202, { view: 'job', asked: 4 }])
    expect(asked).toEqual([
      ['job', { repair: true, rate: 5000 }],
      ['job', { repair: false, rate: 1 }],
      ['job', { repair: false }],
      ['job', { repair: false }],
    ])
  })

  it('shows its status and is cancelled; where none ran, that is a 404 with what to do', async () => {
    const none = { status: 404, code: 'not-verified', remedy: 'Start it: logfold verify job. What another run has done is not lost.' }
    expect(await ask('GET', VERIFY)).toEqual([404, expect.objectContaining(none)])
    expect(await ask('DELETE', VERIFY)).toEqual([404, expect.objectContaining(none)])
    await ask('POST', VERIFY)
    expect(await ask('GET', VERIFY)).toEqual([200, { view: 'job', phase: 'folding' }])
    expect(await ask('DELETE', VERIFY)).toEqual([200, { view: 'job', phase: 'cancelled' }])
  })

  const rate = 'Send a whole number from 1 to 1000000000: records and entries a second.'
  it.each([
    ['unknown-parameter', 400, '{"repar":true,"x/~":1}', 'Known here: repair, rate, next.', ['/repar', '/x~1~0']],
    ['unknown-parameter', 400, '{"__proto__":1}', 'Known here: repair, rate, next.', ['/__proto__']],
    ['invalid-parameter', 400, '{"repair":"yes"}', 'Send true or false.', ['repair']],
    ['invalid-parameter', 400, '{"next":"yes"}', 'Send true or false.', ['next']],
    ['invalid-parameter', 400, '{"rate":0}', rate, ['rate']],
    ['invalid-parameter', 400, '{"rate":1.5}', rate, ['rate']],
    ['invalid-request', 400, '[]', 'Known here: repair, rate, next.', undefined],
    ['invalid-request', 400, 'null', 'Known here: repair, rate, next.', undefined],
    ['invalid-request', 400, '{"repair":', 'Send a JSON object.', undefined],
    ['too-large', 413, `{"repair":"${'x'.repeat(20_000)}"}`, 'Send what the address takes alone.', undefined],
  ])('refuses with %s, %i', async (code, status, body, remedy, pointers) => {
    const [answered, problem] = await ask('POST', VERIFY, body)
    const { errors, ...told } = problem as { errors?: { pointer: string }[] }
    expect([answered, told, errors?.map(({ pointer }) => pointer)]).toEqual([status, expect.objectContaining({ status, code, remedy }), pointers])
    expect(asked).toEqual([])
  })

  it('takes no other type, which a foreign page could send, nor parameters, other methods and other views', async () => {
    for (const headers of [{}, { 'Content-Type': 'text/plain' }, { ...JSON_TYPE, 'Content-Encoding': 'gzip' }] as Record<string, string>[]) {
      expect(await ask('POST', VERIFY, '{}', headers)).toEqual([415, expect.objectContaining({ code: 'unsupported-media-type' })])
      if (headers['Content-Encoding'] === undefined) expect((await ask('POST', `${LETTER}/replay`, undefined, headers))[0]).toBe(415)
    }
    expect(await ask('POST', `${VERIFY}?repair=true`, '{}')).toEqual([400, expect.objectContaining({ code: 'unknown-parameter' })])
    expect(await ask('PUT', VERIFY, '{}')).toEqual([405, expect.objectContaining({ remedy: 'Use GET, HEAD, POST, DELETE, OPTIONS.' })])
    for (const method of ['GET', 'POST', 'DELETE']) {
      expect(await ask(method, '/admin/views/none/verify')).toEqual([404, expect.objectContaining({ code: 'no-such-view' })])
    }
    expect(asked).toEqual([])
  })
})

describe('a dead letter', () => {
  it('is replayed; that it is still faulty is an answer, too', async () => {
    const faulty = { letter: '1:3:17', kind: 'still-faulty', reason: 'value-not-json', detail: 'It is not JSON' }
    expect(await ask('POST', `${LETTER}/replay`)).toEqual([200, faulty])
    expect(await ask('POST', `${LETTER}/replay`, '{}')).toEqual([200, faulty])
    expect(await ask('POST', `${LETTER}/replay`, '{"force":true}')).toEqual([400, expect.objectContaining({ remedy: 'This address takes none.' })])
    expect(await ask('POST', '/admin/views/job/deadletters/1:3:18/replay')).toEqual([
      404,
      expect.objectContaining({ code: 'no-such-dead-letter', detail: 'There is no dead letter 1:3:18' }),
    ])
    expect(await ask('GET', `${LETTER}/replay`)).toEqual([405, expect.objectContaining({ remedy: 'Use POST, OPTIONS.' })])
    expect(asked).toEqual([
      ['job', '1:3:17'],
      ['job', '1:3:17'],
      ['job', '1:3:18'],
    ])
  })

  it('is dropped', async () => {
    expect(await ask('DELETE', LETTER)).toEqual([200, { letter: '1:3:17', kind: 'dropped' }])
    expect(await ask('DELETE', '/admin/views/job/deadletters/1:3:18')).toEqual([404, expect.objectContaining({ code: 'no-such-dead-letter' })])
    expect(await ask('DELETE', '/admin/views/none/deadletters/1:3:17')).toEqual([404, expect.objectContaining({ code: 'no-such-view' })])
    expect(asked).toEqual([
      ['job', '1:3:17'],
      ['job', '1:3:18'],
    ])
  })
})

it('off loopback every verb needs a token that may write, and says nothing before', async () => {
  await admin.close()
  await start('0.0.0.0')
  const verbsOf = (): [string, string][] => [
    ['POST', VERIFY],
    ['DELETE', VERIFY],
    ['POST', `${LETTER}/replay`],
    ['DELETE', LETTER],
  ]
  for (const [method, path] of verbsOf()) {
    expect((await ask(method, path))[0]).toBe(401)
    expect((await ask(method, path, undefined, { ...JSON_TYPE, Authorization: 'Bearer reader' }))[0]).toBe(403)
  }
  expect(asked).toEqual([])
  for (const [method, path] of verbsOf()) {
    expect((await ask(method, path, undefined, { ...JSON_TYPE, Authorization: 'Bearer writer' }))[0]).toBe(
      method === 'POST' && path === VERIFY ? 202 : 200,
    )
  }
  expect((await ask('GET', VERIFY, undefined, { Authorization: 'Bearer reader' }))[0]).toBe(200)
})
