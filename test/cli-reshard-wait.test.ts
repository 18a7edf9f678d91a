import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Client } from '../src/cli/client.ts'
import { runCli } from '../src/cli/program.ts'
import { goalOf } from '../src/cli/reshard/goal.ts'
import { watch } from '../src/cli/reshard/watch.ts'
import type { ReshardVerb } from '../src/model/reshard.ts'
import type { Until } from '../src/model/until.ts'
import type { GenerationStatus, ViewStatus } from '../src/model/view-status.ts'
import { fakeServer, run, sendJson, sendProblem } from './cli-world.ts'
import { temporaryFolder, testKinds } from './config-world.ts'
import { answerOf, generationOf, nextOf, progressOf, statusOf } from './support/generation-status.ts'

const beside = (next: Partial<GenerationStatus> = {}, more: Partial<ViewStatus> = {}): ViewStatus =>
  statusOf({ generations: [generationOf(), nextOf(next)], ...more })
const serves = (until: Until | null = null, more: Partial<ViewStatus> = {}): ViewStatus =>
  statusOf({
    generation: 2,
    generations: [generationOf({ phase: 'previous' }), nextOf({ phase: 'serving', until, progress: progressOf(9, 9) })],
    ...more,
  })
const alone = statusOf({ generation: 2, generations: [nextOf({ phase: 'serving' })] })
const leaving = generationOf({ phase: 'leaving' })
const folding = { done: 10, total: 40, perSecond: 5, etaSeconds: 6 }
const verifying = { phase: 'folding', repair: false, progress: folding, waitingFor: null, left: 0, failure: null } as const
const verifyFailed = {
  ...verifying,
  phase: 'failed',
  failure: { code: 'log-corrupt', detail: 'The log cannot be read', remedy: 'Mend the log' },
} as const

/** Answers commands with the first status, and then with one after the other; the last again and again. */
const showing = (verb: ReshardVerb, first: ViewStatus, ...later: readonly ViewStatus[]) => {
  const left = [...later]
  const generation = verb === 'complete' ? 1 : 2
  return fakeServer(({ method }, response) => {
    if (method === 'POST') sendJson(response, answerOf({ verb, generation, status: first }), 202)
    else sendJson(response, left.length > 1 ? left.shift() : left[0])
  })
}

describe('--wait', () => {
  it('ends with a yes where it came, and asked no more', async () => {
    const verified = beside({ phase: 'verified', progress: progressOf(9, 9) }, { next_steps: ['Let it serve: logfold reshard switch job'] })
    const { url, asked } = await showing('create', beside(), beside({ verify: verifying }), verified)
    expect(await run(['reshard', 'create', 'job', '--wait', '--admin', url])).toEqual({
      exit: 0,
      stdout: 'Generation 2 of job is verified: it is as the log says\n\nNext\n  Let it serve: logfold reshard switch job\n',
      stderr: '',
    })
    expect(asked.map(({ method, url: path }) => `${method} ${path}`)).toEqual([
      'POST /admin/views/job/reshard',
      'GET /admin/views/job',
      'GET /admin/views/job',
    ])
  })

  it('in JSON is one document, with the last status', async () => {
    const { url } = await showing('switch', beside({ phase: 'verified' }), serves(null, { next_steps: ['Look'] }))
    const { exit, stdout, stderr } = await run(['reshard', 'switch', 'job', '--wait', '--json', '--admin', url])
    const waited = { reached: true, detail: 'Generation 2 of job is what reads are answered from' }
    expect([exit, stderr, JSON.parse(stdout)]).toEqual([
      0,
      '',
      { ...answerOf({ verb: 'switch' }), status: serves(null, { next_steps: ['Look'] }), waited, next_steps: ['Look'] },
    ])
  })

  it('ends with a no where it cannot come there, and says why and what to do', async () => {
    const { url } = await showing('rebuild', beside({ until: 'serving' }), beside({ until: 'serving', paused: true, why: 'deletes would be missed' }))
    expect(await run(['rebuild', 'job', '--wait', '--admin', url])).toEqual({
      exit: 1,
      stdout: 'Generation 2 of job was paused: deletes would be missed\n\nNext\n  Then go on: logfold reshard resume job\n',
      stderr: '',
    })
  })

  it('is ended by Ctrl-C, which ends nothing else', async () => {
    let interrupt = (): void => undefined
    const { url, asked } = await fakeServer((one, response) => {
      sendJson(response, one.method === 'POST' ? answerOf() : beside())
      if (one.method === 'GET') interrupt()
    })
    const onInterruptible = (given: () => void): void => {
      interrupt = given
    }
    expect(await run(['reshard', 'create', 'job', '--wait', '--admin', url], { onInterruptible })).toEqual({
      exit: 130,
      stdout: '',
      stderr: `Interrupted. The command stands, and goes on by itself: job@2: building on ring5, 50 %, 1,100 of 2,200 records, 100/s, 11 s to go

Next
  See how it goes on: logfold reshard status job
  End it: logfold reshard cancel job
`,
    })
    expect(asked.map(({ method }) => method)).toEqual(['POST', 'GET'])
    const json = await run(['reshard', 'create', 'job', '--wait', '--json', '--admin', url], { onInterruptible })
    expect([json.exit, json.stderr, JSON.parse(json.stdout)]).toEqual([130, '', expect.objectContaining({ waited: null, status: beside() })])
  })

  it('shows on a terminal a bar in one line that goes away', async () => {
    const { url } = await showing('create', beside({ verify: verifying }), beside({ phase: 'verified' }))
    let said = ''
    const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 60 }).on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const io = { env: {}, cwd: temporaryFolder(), stdin: new PassThrough(), stdout: new PassThrough(), stderr, onInterrupt: () => () => undefined }
    const commands = { ...testKinds, start: async () => undefined, check: async () => [] }
    expect(await runCli(['node', 'logfold', 'reshard', 'create', 'job', '--wait', '--admin', url], commands, io)).toBe(0)
    expect(said).toBe('\r\u001b[K[#####---------------] job@2: building on ring5, verify: fo\r\u001b[K')
  })
})

describe('an admin listener that is away during the wait', () => {
  it('is asked again, and what was done meanwhile counts', async () => {
    let answers = 0
    const { url } = await fakeServer(({ method }, response) => {
      answers++
      if (method === 'POST') sendJson(response, answerOf(), 202)
      else if (answers === 2) response.destroy()
      else if (answers === 3) sendProblem(response, 'closing', 'The server is shutting down', {}, 503)
      else sendJson(response, beside({ phase: 'verified' }))
    })
    expect(await run(['reshard', 'create', 'job', '--wait', '--admin', url])).toEqual({
      exit: 0,
      stdout: 'Generation 2 of job is verified: it is as the log says\n',
      stderr: `${url} cannot be reached: other side closed; it is asked again for 2 min\nIt answers again\n`,
    })
  })

  it('for too long is unreachable, and says that all goes on', async () => {
    const { url } = await fakeServer((_, response) => response.destroy())
    const io = {
      env: {},
      cwd: '/',
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      onInterrupt: () => () => undefined,
    }
    const client = new Client({ url, token: undefined, addressHint: '--admin' })
    const answer = answerOf()
    const signal = new AbortController().signal
    await expect(watch(client, goalOf(answer, 'ready'), { answer, json: false, io, signal, silenceMs: 0 })).rejects.toMatchObject({
      code: 'unreachable',
      remedy: expect.stringContaining('The command stands, and goes on by itself: logfold reshard status job'),
    })
  })

  it('that no longer knows the view is not asked again', async () => {
    const { url } = await fakeServer(({ method }, response) => {
      if (method === 'POST') sendJson(response, answerOf(), 202)
      else sendProblem(response, 'no-such-view', 'There is no view "job"', {}, 404)
    })
    expect((await run(['reshard', 'create', 'job', '--wait', '--admin', url])).exit).toBe(1)
  })
})

describe('what is waited for', () => {
  /** What each status in turn says of a command that was accepted when the view was as the first. */
  const ends = (verb: ReshardVerb, until: Until | undefined, first: ViewStatus, ...later: readonly ViewStatus[]): unknown[] => {
    const goal = goalOf(answerOf({ verb, generation: verb === 'complete' ? 1 : 2, status: first }), until)
    return [first, ...later].map(status => goal(status)?.reached)
  }
  const written = (position: number, endOffset: number): ViewStatus => beside({ progress: progressOf(position, endOffset) })

  it('ready is to vouch for where the log ended a look ago, as a view that is written is never at its end', () => {
    expect(ends('create', 'ready', written(5, 9), written(8, 10), written(10, 11))).toEqual([undefined, undefined, true])
    expect(ends('create', 'ready', written(5, 9), beside({ progress: null }), written(10, 11), written(11, 12))).toEqual([
      undefined,
      undefined,
      undefined,
      true,
    ])
    expect(ends('create', 'ready', beside(), written(2200, 2200))).toEqual([undefined, true])
  })

  it.each<[Until, readonly (boolean | undefined)[]]>([
    ['verified', [undefined, true, true, true]],
    ['serving', [undefined, undefined, true, true]],
    ['completed', [undefined, undefined, undefined, true]],
  ])('%s', (until, expected) => {
    expect(ends('create', until, beside({ until }), beside({ phase: 'verified', until }), serves(until), alone)).toEqual(expected)
  })

  it('completed waits until the one before is gone, not until it leaves, nor for one that left long ago', () => {
    const gone = generationOf({ number: 0, phase: 'leaving' })
    const leaving = statusOf({
      generation: 2,
      generations: [gone, generationOf({ phase: 'leaving' }), nextOf({ phase: 'serving', until: 'completed' })],
    })
    const left = statusOf({ generation: 2, generations: [gone, nextOf({ phase: 'serving', until: 'completed' })] })
    expect(ends('create', 'completed', beside({ until: 'completed' }), leaving, left)).toEqual([undefined, undefined, true])
  })

  it('what another process does not know yet may come, and what was there and is gone does not', () => {
    expect(ends('create', 'verified', statusOf(), beside(), statusOf())).toEqual([undefined, undefined, false])
    const goal = goalOf(answerOf({ status: statusOf() }), 'verified')
    expect(Array.from({ length: 11 }, () => goal(statusOf())?.reached).at(-1)).toBe(false)
  })

  it('gone is not to be there any more', () => {
    expect(ends('cancel', undefined, beside({ phase: 'leaving' }), statusOf())).toEqual([undefined, true])
    expect(ends('complete', undefined, serves(), alone)).toEqual([false, true])
  })

  it('resume goes as far as it is told, or as it was', () => {
    const ready = beside({ until: 'ready', progress: progressOf(9, 9) })
    expect([ends('resume', undefined, ready), ends('resume', 'verified', beside(), beside({ phase: 'verified' }))]).toEqual([
      [true],
      [undefined, true],
    ])
  })

  const told = (first: Partial<GenerationStatus>, then: Partial<GenerationStatus>): unknown => {
    const goal = goalOf(answerOf({ status: beside(first) }), 'verified')
    goal(beside(first))
    return goal(beside(then))
  }
  const differences = { differences: 2, unresolved: 1, void: false }
  it.each<[string, Partial<GenerationStatus>, Partial<GenerationStatus>, unknown]>([
    [
      'a verification that found differences',
      { verification: differences },
      { verification: differences, until: 'ready' },
      {
        detail: 'Generation 2 of job is not as the log says: its verification found 2 differences',
        step: 'Verify it again, or build another: logfold reshard verify job, logfold reshard cancel job',
      },
    ],
    [
      'somebody who steers it',
      {},
      { until: 'ready' },
      { detail: 'Generation 2 of job was told by somebody to go no further than ready', step: 'Go on: logfold reshard resume job --until verified' },
    ],
    [
      'somebody who cancels it',
      {},
      { phase: 'leaving' },
      { detail: 'Generation 2 of job was taken away by somebody', step: 'See what is there: logfold reshard status job' },
    ],
    [
      'a verify that fails',
      { verify: verifying },
      { verify: verifyFailed },
      { detail: 'Generation 2 of job could not be verified: The log cannot be read', step: 'Mend the log' },
    ],
    [
      'a stop',
      {},
      { problem: { code: 'topic-missing', detail: 'There is no topic job', remedy: 'Make it' } },
      { detail: 'Generation 2 of job stopped: There is no topic job', step: 'Make it' },
    ],
  ])('is kept from coming by %s', (_, first, then, end) => {
    expect(told(first, then)).toEqual({ reached: false, ...(end as object) })
  })

  it.each(['create', 'complete'] as const)('is kept from coming by a later version that is at work on the view: %s', verb => {
    const problem = { code: 'too-old', detail: 'It has format 2', remedy: 'Start the later version here, too' }
    const [first, then] = verb === 'create' ? [beside(), beside({}, { problem })] : [alone, statusOf({ generations: [leaving], problem })]
    const goal = goalOf(answerOf({ verb, generation: verb === 'create' ? 2 : 1, status: first }), undefined)
    expect(goal(then)).toEqual({ reached: false, detail: 'It has format 2', step: 'Start the later version here, too' })
    const [there, whole] = verb === 'create' ? [beside({ phase: 'verified' }, { problem }), 'verified'] : [{ ...alone, problem }, 'gone']
    expect(goal(there)).toMatchObject({ reached: true, detail: expect.stringContaining(whole) })
  })

  it.each<[string, Partial<GenerationStatus>, Partial<GenerationStatus>]>([
    ['a store that is away', {}, { problem: { code: 'view-unavailable', detail: 'ring5/a does not answer', remedy: null } }],
    ['a fault that only a later version knows', {}, { problem: { code: 'no-such-code', detail: 'It is odd', remedy: null } }],
    ['an operator’s pause', {}, { paused: true }],
    ['a verify that failed before it was asked for again', { verify: verifyFailed }, { verify: verifyFailed }],
    ['the differences of the verification before', { verification: differences }, { verification: differences }],
  ])('is not given up for %s', (_, first, then) => {
    expect(told(first, then)).toBeUndefined()
  })
})
