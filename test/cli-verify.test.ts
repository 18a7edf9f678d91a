import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { runCli } from '../src/cli/program.ts'
import { fakeServer, run, sendJson, sendProblem } from './cli-world.ts'
import { temporaryFolder, testKinds } from './config-world.ts'

const none = { count: 0, repaired: 0, first: [] }
const kinds = { missing: none, extra: none, different: none, 'wrong-shard': none, 'two-partitions': none, unresolved: none, unsettled: none }
const status = {
  view: 'job',
  generation: 'job@1',
  phase: 'folding',
  repair: false,
  rate: 50_000,
  progress: { done: 1500, total: 60_000, perSecond: 500, etaSeconds: 117 },
  waitingFor: null,
  ends: null,
  begunAnew: 0,
  differences: kinds,
  left: 0,
  failure: null,
}
const done = { ...status, phase: 'done', progress: { done: 0, total: 0, perSecond: 0, etaSeconds: null } }
const found = {
  ...done,
  left: 2,
  differences: {
    ...kinds,
    different: { count: 2, repaired: 1, first: [difference('different', 'a\u001b[31m', '3:17'), difference('different', 'b', '1:2', true)] },
    extra: { count: 1, repaired: 0, first: [difference('extra', 'ghost', undefined)] },
    unresolved: { count: 1, repaired: 0, first: [difference('unresolved', 'c', '0:9')] },
  },
}
const failed = { ...status, phase: 'failed', failure: { code: 'topic-missing', detail: 'There is no topic job', remedy: 'Make it' } }

function difference(kind: string, id: string, place: string | undefined, repaired = false): object {
  return { kind, shard: 'main', id, ...(place === undefined ? {} : { place }), repaired }
}

/** Answers the first request with 202, and the ones after it in turn; the last answer again and again. */
const answering = (...answers: readonly object[]) => {
  const left = [...answers]
  return fakeServer((_, response) => {
    const answer = left.length > 1 ? left.shift() : left[0]
    sendJson(response, answer)
  })
}

describe('logfold verify', () => {
  it('starts it, waits for its end, and says in a line that all is well', async () => {
    const { url, asked } = await answering(status, { ...status, phase: 'scanning' }, done)
    expect(await run(['verify', 'job', '--repair', '--rate', '5000', '--admin', url])).toEqual({
      exit: 0,
      stdout: 'job@1: done, no difference left\n',
      stderr: '',
    })
    expect(asked.map(({ method, url: path, body }) => [method, path, body])).toEqual([
      ['POST', '/admin/views/job/verify', '{"repair":true,"rate":5000}'],
      ['GET', '/admin/views/job/verify', ''],
      ['GET', '/admin/views/job/verify', ''],
    ])
    expect(asked[0]?.headers['content-type']).toBe('application/json')
  })

  it('shows the differences by kind, the first ids of each, and what to do; that is a no', async () => {
    const { url, asked } = await answering(found)
    expect(await run(['verify', 'job', '--admin', url])).toEqual({
      exit: 1,
      stdout: `job@1: done, 2 differences left

KIND        FOUND  REPAIRED
extra       1      0
different   2      1
unresolved  1      0

KIND        ID             SHARD  PLACE
extra       "ghost"        main   -
different   "a\\u001b[31m"  main   3:17
different   "b"            main   1:2    repaired
unresolved  "c"            main   0:9

Next
  Mend what differs: logfold verify job --repair
  Write the unresolved keys again, or see why: logfold deadletters list job
`,
      stderr: '',
    })
    expect(asked[0]?.body).toBe('{"repair":false}')
    const json = await run(['verify', 'job', '--json', '--admin', url])
    expect([json.exit, json.stderr, JSON.parse(json.stdout)]).toEqual([
      1,
      '',
      {
        ...found,
        next_steps: ['Mend what differs: logfold verify job --repair', 'Write the unresolved keys again, or see why: logfold deadletters list job'],
      },
    ])
  })

  it('counts what it does not show', async () => {
    const first = Array.from({ length: 12 }, (_, nth) => difference('unsettled', `k${nth}`, '0:1'))
    const { url } = await answering({ ...done, left: 12, differences: { ...kinds, unsettled: { count: 12, repaired: 0, first } } })
    const { exit, stdout } = await run(['verify', 'job', '--admin', url])
    expect([exit, stdout.match(/"k\d+"/g)?.length]).toEqual([1, 10])
    expect(stdout).toContain('The first 10 of each kind; --json has up to 100\n')
    expect(stdout).toContain('  Ask again for what was written all the while: logfold verify job\n')
  })

  it('that failed, or was cancelled by another, is a no', async () => {
    const { url } = await answering(failed)
    expect(await run(['verify', 'job', '--admin', url])).toEqual({
      exit: 1,
      stdout: 'job@1: failed: There is no topic job\n\nNext\n  Make it\n  Go on where it stopped: logfold verify job\n',
      stderr: '',
    })
    const cancelled = await answering({ ...status, phase: 'cancelled' })
    expect((await run(['verify', 'job', '--admin', cancelled.url])).exit).toBe(1)
  })

  it('says that the server went away, and that nothing is lost', async () => {
    let answers = 0
    const { url } = await fakeServer((_, response) => (++answers === 1 ? sendJson(response, status, 202) : response.destroy()))
    expect(await run(['verify', 'job', '--admin', url])).toEqual({
      exit: 69,
      stdout: '',
      stderr: `error: ${url} cannot be reached: other side closed
Start the server with logfold start, or give another address with --admin or LOGFOLD_ADMIN_URL. The verify then goes on where it was: logfold verify job
`,
    })
  })

  it('is watched until Ctrl-C, which ends nothing else', async () => {
    let interrupt = (): void => undefined
    const { url, asked } = await fakeServer((one, response) => {
      sendJson(response, one.method === 'POST' ? { ...status, repair: true } : { ...status, repair: true, waitingFor: 'shard a' })
      if (one.method === 'GET') interrupt()
    })
    const onInterruptible = (given: () => void): void => {
      interrupt = given
    }
    const { exit, stdout, stderr } = await run(['verify', 'job', '--repair', '--admin', url], { onInterruptible })
    expect([exit, stdout]).toEqual([130, ''])
    expect(stderr).toMatch(
      /^Interrupted\. The verify itself goes on: folding, 1,500 of 60,000 records, 500\/s, 2 min to go(, waiting: shard a)?\n\nNext\n {2}Watch it again: logfold verify job --repair\n {2}End it: logfold verify job --cancel\n$/,
    )
    expect(asked.map(({ method }) => method)).toEqual(['POST', 'GET'])
    const json = await run(['verify', 'job', '--json', '--admin', url], { onInterruptible })
    expect([json.exit, JSON.parse(json.stdout)]).toMatchObject([130, { phase: 'folding', next_steps: [expect.any(String), expect.any(String)] }])
  })

  it('shows on a terminal how far it is, in one line that goes away', async () => {
    const { url } = await answering(status, done)
    let said = ''
    const stderr = Object.assign(new PassThrough(), { isTTY: true }).on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const io = { env: {}, cwd: temporaryFolder(), stdin: new PassThrough(), stdout: new PassThrough(), stderr, onInterrupt: () => () => undefined }
    const commands = { ...testKinds, start: async () => undefined, check: async () => [] }
    expect(await runCli(['node', 'logfold', 'verify', 'job', '--admin', url], commands, io)).toBe(0)
    expect(said).toBe('\r\u001b[Kjob@1: folding, 1,500 of 60,000 records, 500/s, 2 min to go\r\u001b[K')
  })

  it('is cancelled, which says where it can go on', async () => {
    const { url, asked } = await fakeServer((_, response) => sendJson(response, { ...status, phase: 'cancelled', left: 1 }))
    expect(await run(['verify', 'job', '--cancel', '--admin', url])).toEqual({
      exit: 0,
      stdout: 'job@1: cancelled, 1 difference\n\nNext\n  Go on where it stopped: logfold verify job\n',
      stderr: '',
    })
    expect(asked.map(({ method, url: path }) => [method, path])).toEqual([['DELETE', '/admin/views/job/verify']])
    const over = await answering(done)
    expect(await run(['verify', 'job', '--cancel', '--admin', over.url])).toEqual({
      exit: 0,
      stdout: 'job@1: there was nothing to cancel; the last one is done, no difference left\n',
      stderr: '',
    })
    const never = await fakeServer((_, response) => sendProblem(response, 'not-verified', 'Not yet', { remedy: 'Start it' }, 404))
    expect(await run(['verify', 'job', '--cancel', '--admin', never.url])).toEqual({ exit: 1, stdout: '', stderr: 'error: Not yet\nStart it\n' })
  })

  it('has flags that must make sense', async () => {
    expect((await run(['verify', 'job', '--rate', '0'])).exit).toBe(2)
    expect(await run(['verify', 'job', '--cancel', '--repair'])).toEqual({
      exit: 2,
      stdout: '',
      stderr: 'error: --cancel goes without --repair and --rate\n',
    })
  })
})
