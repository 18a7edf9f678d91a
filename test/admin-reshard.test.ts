import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AdminServer, createAdmin } from '../src/admin/server.ts'
import type { Verbs } from '../src/admin/verbs.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { ReloadAnswer } from '../src/model/reload.ts'
import type { ReshardAnswer } from '../src/model/reshard.ts'
import { TestLogger, TestView } from './support/api-world.ts'
import { answerOf } from './support/generation-status.ts'
import { request } from './support/raw-request.ts'

const JSON_TYPE = { 'Content-Type': 'application/json' }
const asked: unknown[] = []
let reshard: () => ReshardAnswer
let reload: () => ReloadAnswer

const never = (): never => {
  throw new Error('not asked for here')
}
const verbs: Verbs = {
  verify: async () => ({ verify: 'of what serves' }),
  verifyStatus: never,
  cancelVerify: never,
  replay: never,
  drop: never,
  async reshard(...args) {
    asked.push(args)
    return reshard()
  },
  async reload() {
    asked.push('reload')
    return reload()
  },
}

let admin: AdminServer
let port: number

const start = async (host = '127.0.0.1'): Promise<void> => {
  const token = (name: string, scopes: readonly ('read' | 'write')[]) => ({ sha256: hash('sha256', name, 'hex'), scopes })
  const tokens = { ops: token('writer', ['read', 'write']), eyes: token('reader', ['read']) }
  const status = { readiness: async () => [], views: async () => [], unconfigured: () => [], view: async () => ({}) }
  const views = new Map([['job', await new TestView({}).open()]])
  admin = createAdmin({ host, port: 0, tokens, views, status, verbs, logger: new TestLogger(), metrics: new Metrics('1') })
  port = (await admin.listen()).port
}

beforeEach(async () => {
  asked.length = 0
  reshard = () => answerOf()
  reload = () => ({ addedViews: ['note'], addedBackends: [], changedViews: [], next_steps: [] })
  await start()
})
afterEach(() => admin.close())

/** @returns status and document */
async function post(path: string, body: unknown = undefined, headers: Record<string, string> = JSON_TYPE): Promise<readonly [number, unknown]> {
  const answer = await request(port, path, { method: 'POST', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  return [answer.status, JSON.parse(answer.body.toString())]
}
const of = (part: string): string => `/admin/views/job/${part}`
const nothing = { dryRun: false, force: [] }

describe('a verb of generations', () => {
  it.each([
    ['reshard', 'create', {}, nothing],
    ['reshard', 'create', { to: 'ring5', until: 'ready', rate: 5000, by: 'ada' }, { ...nothing, to: 'ring5', until: 'ready', rate: 5000, by: 'ada' }],
    ['reshard', 'create', { force: ['not-ready', 'left'] }, { ...nothing, force: ['not-ready', 'left'] }],
    ['rebuild', 'rebuild', { until: 'completed', rate: null, dryRun: true }, { ...nothing, until: 'completed', rate: null, dryRun: true }],
    ['verify', 'verify', { next: true, by: 'ada' }, { ...nothing, by: 'ada' }],
    ['switch', 'switch', { force: ['readers', 'unverified'] }, { ...nothing, force: ['readers', 'unverified'] }],
    ['reverse', 'reverse', { dryRun: true }, { ...nothing, dryRun: true }],
    ['complete', 'complete', { force: ['left'] }, { ...nothing, force: ['left'] }],
    ['cancel', 'cancel', undefined, nothing],
    ['pause', 'pause', { by: 'ada' }, { ...nothing, by: 'ada' }],
    ['resume', 'resume', { until: 'verified', rate: 1 }, { ...nothing, until: 'verified', rate: 1 }],
  ])('POST %s asks for %s with what it is told: %j', async (part, verb, body, request) => {
    expect(await post(of(part), body)).toEqual([202, answerOf()])
    expect(asked).toEqual([['job', verb, request]])
  })

  it('answers 200 where no command was sent', async () => {
    for (const outcome of ['would', 'nothing'] as const) {
      reshard = () => answerOf({ outcome })
      expect(await post(of('switch'), { dryRun: true })).toEqual([200, answerOf({ outcome })])
    }
  })

  it('that does not fit is a 409 with what speaks against it', async () => {
    const errors = [{ pointer: 'readers', detail: 'host/7 cannot read it yet' }]
    reshard = () => {
      throw new LogfoldError('command-refused', 'Generation 2 of job cannot serve', { remedy: 'Wait for host/7.', errors })
    }
    const title = 'The command does not fit the state of the view'
    const told = { type: 'urn:logfold:problem:command-refused', title, status: 409, detail: 'Generation 2 of job cannot serve' }
    expect(await post(of('switch'))).toEqual([409, { ...told, code: 'command-refused', remedy: 'Wait for host/7.', errors }])
  })

  const rate = 'Send a whole number from 1 to 1000000000, records a second and worker, or null: as fast as it can.'
  const force = 'Send an array of names: not-ready, unverified, readers, left.'
  it.each([
    ['reshard', { too: 1 }, 'unknown-parameter', 'Known here: to, until, rate, dryRun, force, by.'],
    ['rebuild', { to: 'ring5' }, 'unknown-parameter', 'Known here: until, rate, dryRun, force, by.'],
    ['resume', { force: [] }, 'unknown-parameter', 'Known here: until, rate, dryRun, by.'],
    ['switch', { until: 'ready' }, 'unknown-parameter', 'Known here: dryRun, force, by.'],
    ['pause', { rate: 1 }, 'unknown-parameter', 'Known here: dryRun, by.'],
    ['verify', { next: true, repair: true }, 'unknown-parameter', 'Known here: next, dryRun, by.'],
    ['verify', { next: false, by: 'ada' }, 'unknown-parameter', 'Known here: repair, rate, next.'],
    ['verify', { next: 1 }, 'invalid-parameter', 'Send true or false.'],
    ['reshard', { until: 'done' }, 'invalid-parameter', 'Send one of ready, verified, serving, completed.'],
    ['reshard', { rate: 0 }, 'invalid-parameter', rate],
    ['reshard', { rate: 1.5 }, 'invalid-parameter', rate],
    ['reshard', { dryRun: 'yes' }, 'invalid-parameter', 'Send true or false.'],
    ['reshard', { to: '' }, 'invalid-parameter', 'Send a text of 1 to 200 characters.'],
    ['reshard', { by: 'x'.repeat(201) }, 'invalid-parameter', 'Send a text of 1 to 200 characters.'],
    ['switch', { force: true }, 'invalid-parameter', force],
    ['switch', { force: ['everything'] }, 'invalid-parameter', force],
    ['cancel', [], 'invalid-request', 'Known here: dryRun, force, by.'],
  ])('refuses %s %j', async (part, body, code, remedy) => {
    expect(await post(of(part), body)).toEqual([400, expect.objectContaining({ code, remedy })])
    expect(asked).toEqual([])
  })

  it('without next verifies what serves', async () => {
    expect(await post(of('verify'), { next: false })).toEqual([202, { verify: 'of what serves' }])
    expect(asked).toEqual([])
  })

  it('takes no other type, which a foreign page could send, nor parameters, other methods and other views', async () => {
    expect(await post(of('switch'), {}, { 'Content-Type': 'text/plain' })).toEqual([415, expect.objectContaining({ code: 'unsupported-media-type' })])
    expect(await post(`${of('switch')}?force=readers`, {})).toEqual([400, expect.objectContaining({ code: 'unknown-parameter' })])
    expect(await post('/admin/views/none/switch', {})).toEqual([404, expect.objectContaining({ code: 'no-such-view' })])
    expect((await request(port, of('switch'), { method: 'GET' })).status).toBe(405)
    expect(asked).toEqual([])
  })
})

describe('reload', () => {
  it('answers with what has changed', async () => {
    expect(await post('/admin/reload')).toEqual([200, { addedViews: ['note'], addedBackends: [], changedViews: [], next_steps: [] }])
    expect(await post('/admin/reload', { force: true })).toEqual([400, expect.objectContaining({ remedy: 'This address takes none.' })])
    expect((await request(port, '/admin/reload', { method: 'GET' })).status).toBe(405)
    expect(asked).toEqual(['reload'])
  })

  it('that needs a restart is a 409 with each change', async () => {
    const errors = [{ pointer: 'log.brokers', detail: 'It was changed' }]
    reload = () => {
      throw new LogfoldError('reload-refused', 'One change needs a restart', { errors })
    }
    expect(await post('/admin/reload')).toEqual([409, expect.objectContaining({ code: 'reload-refused', errors })])
  })
})

it('off loopback each needs a token that may write', async () => {
  await admin.close()
  await start('0.0.0.0')
  const paths = [...['reshard', 'rebuild', 'switch', 'reverse', 'complete', 'cancel', 'pause', 'resume'].map(of), '/admin/reload']
  for (const path of paths) {
    expect((await post(path))[0]).toBe(401)
    expect((await post(path, undefined, { ...JSON_TYPE, Authorization: 'Bearer reader' }))[0]).toBe(403)
  }
  expect((await post(of('verify'), { next: true }))[0]).toBe(401)
  expect(asked).toEqual([])
  for (const path of paths) {
    expect((await post(path, undefined, { ...JSON_TYPE, Authorization: 'Bearer writer' }))[0]).toBe(path === '/admin/reload' ? 200 : 202)
  }
})
