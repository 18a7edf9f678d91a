import { describe, expect, it } from 'vitest'
import type { ReshardAnswer, ReshardCheck } from '../src/model/reshard.ts'
import { type Asked, fakeServer, run, sendJson, sendProblem } from './cli-world.ts'
import { answerOf, generationOf, nextOf, statusOf } from './support/generation-status.ts'

const check = (more: Partial<ReshardCheck> = {}): ReshardCheck => ({
  name: 'readers',
  ok: true,
  detail: 'all of 3 processes can read it',
  remedy: null,
  forced: false,
  ...more,
})
const failed = check({ ok: false, detail: 'host/7 cannot read it', remedy: 'Wait for host/7, or end it' })

/** Answers each command so. */
const answering = (answer: Partial<ReshardAnswer> = {}) => fakeServer((_, response) => sendJson(response, answerOf(answer), 202))

const sent = (asked: readonly Asked[]): unknown[] => asked.map(({ method, url, body }) => [method, url, JSON.parse(body)])

describe('a verb of generations', () => {
  it.each([
    ['reshard create job --to ring5', 'reshard', { to: 'ring5', until: 'verified' }],
    ['reshard create job --until ready --rate 5000', 'reshard', { until: 'ready', rate: 5000 }],
    ['rebuild job', 'rebuild', { until: 'serving' }],
    ['rebuild job --until completed --rate none', 'rebuild', { until: 'completed', rate: null }],
    ['reshard verify job', 'verify', { next: true }],
    ['reshard switch job', 'switch', {}],
    ['reshard switch job --yes --force readers unverified', 'switch', { force: ['readers', 'unverified'] }],
    ['reshard reverse job', 'reverse', {}],
    ['reshard complete job --yes', 'complete', {}],
    ['reshard cancel job --yes --force left', 'cancel', { force: ['left'] }],
    ['reshard pause job', 'pause', {}],
    ['reshard resume job', 'resume', {}],
    ['reshard resume job --rate 0 --until serving', 'resume', { until: 'serving', rate: null }],
  ])('logfold %s', async (line, path, body) => {
    const { url, asked } = await answering()
    const { exit, stderr } = await run([...line.split(' '), '--admin', url], { env: { USER: 'ada' } })
    expect([exit, stderr]).toEqual([0, ''])
    expect(sent(asked)).toEqual([['POST', `/admin/views/job/${path}`, { ...body, by: 'ada' }]])
    expect(asked[0]?.headers['content-type']).toBe('application/json')
  })

  it('that was accepted says so, how all stands, and what is next; in JSON it is the answer', async () => {
    const status = statusOf({ generations: [generationOf(), nextOf()], next_steps: ['Watch it: logfold reshard status job'] })
    const { url } = await answering({ status })
    expect(await run(['reshard', 'create', 'job', '--admin', url])).toEqual({
      exit: 0,
      stdout: `Generation 2 of job is being built
job@1: serving on local
job@2: building on ring5, 50 %, 1,100 of 2,200 records, 100/s, 11 s to go

Next
  Watch it: logfold reshard status job
`,
      stderr: '',
    })
    const json = await run(['reshard', 'create', 'job', '--json', '--admin', url])
    expect([json.exit, JSON.parse(json.stdout)]).toEqual([0, { ...answerOf({ status }), next_steps: ['Watch it: logfold reshard status job'] }])
  })

  it('that changes nothing says that, and one that overrode a check says which', async () => {
    const nothing = await answering({ verb: 'switch', outcome: 'nothing' })
    expect(await run(['reshard', 'switch', 'job', '--admin', nothing.url])).toEqual({
      exit: 0,
      stdout: 'There was nothing to do: generation 2 of job is as switch would have it\n',
      stderr: '',
    })
    const forced = await answering({ verb: 'switch', checks: [check({ name: 'not-ready' }), { ...failed, forced: true }], status: statusOf() })
    expect((await run(['reshard', 'switch', 'job', '--force', 'readers', '--yes', '--admin', forced.url])).stdout).toBe(
      'Reads of job go over to generation 2\n\nChecks\n  forced  readers  host/7 cannot read it\n',
    )
  })

  it('that does not fit is a no, with what speaks against it', async () => {
    const errors = [{ pointer: 'readers', detail: 'host/7 cannot read it' }]
    const { url } = await fakeServer((_, response) =>
      sendProblem(response, 'command-refused', 'Generation 2 of job cannot serve yet', { errors, remedy: 'Wait for host/7' }, 409),
    )
    expect(await run(['reshard', 'switch', 'job', '--admin', url])).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'error: Generation 2 of job cannot serve yet\n  readers: host/7 cannot read it\nWait for host/7\n',
    })
    const json = await run(['reshard', 'switch', 'job', '--json', '--admin', url])
    expect([json.exit, JSON.parse(json.stdout)]).toEqual([
      1,
      { error: expect.objectContaining({ code: 'command-refused', errors }), next_steps: ['Wait for host/7'] },
    ])
  })

  it('whose answer did not come may have been done: it says where to look', async () => {
    const { url } = await fakeServer((_, response) => response.destroy())
    const { exit, stderr } = await run(['reshard', 'create', 'job', '--admin', url])
    expect([exit, stderr.split('\n').at(-2)]).toEqual([1, 'See whether it was done, and repeat it if not: logfold reshard status job'])
    const dryRun = await run(['reshard', 'create', 'job', '--dry-run', '--admin', url])
    expect([dryRun.exit, dryRun.stderr]).toEqual([69, expect.stringContaining('cannot be reached')])
  })

  it('has flags that must make sense', async () => {
    for (const line of [
      'create job --rate x',
      'create job --until done',
      'switch job --until ready',
      'switch job --force all',
      'create job --dry-run --wait',
    ]) {
      expect([line, (await run(['reshard', ...line.split(' ')])).exit]).toEqual([line, 2])
    }
  })
})

describe('a dry run', () => {
  const shards = (names: string, entries: number) =>
    [...names].map(shard => ({ shard, entries, bytes: entries * 1000, usedBytes: 500_000_000, limitBytes: 4_000_000_000 }))
  const plan = {
    generation: 2,
    from: { backend: 'ring2', shards: shards('ab', 600_000) },
    to: { backend: 'ring3', shards: [...shards('ab', 400_000), { shard: 'c', entries: null, bytes: null, usedBytes: null, limitBytes: null }] },
    movedShare: 0.336,
    skew: 1.125,
    records: 2_700_000,
    etaSeconds: 1700,
    warnings: ['The log is older than its deletes are kept'],
  }

  it('shows what it would come to, and the command that does it', async () => {
    const { url, asked } = await answering({ outcome: 'would', plan, checks: [check()] })
    expect(await run(['reshard', 'create', 'job', '--to', 'ring3', '--rate', '900', '--dry-run', '--admin', url])).toEqual({
      exit: 0,
      stdout: `create of generation 2 of job would do this; nothing was done

Now, on ring2
  SHARD  ENTRIES    SIZE    SERVER
  a      600,000    600 MB  500 MB used of 4.0 GB (13 %)
  b      600,000    600 MB  500 MB used of 4.0 GB (13 %)
  all    1,200,000  1.2 GB

Then, on ring3
  SHARD  ENTRIES  SIZE    SERVER
  a      400,000  400 MB  500 MB used of 4.0 GB (13 %), then 900 MB (23 %)
  b      400,000  400 MB  500 MB used of 4.0 GB (13 %), then 900 MB (23 %)
  c      -        -
  all    -        -

Estimates
  records  2,700,000 to read
  moved    33 % of the entries would stand on another server
  skew     the fullest shard would have 1.13 times the entries of the average one
  time     about 28 min

Warnings
  The log is older than its deletes are kept

Checks
  ok  readers  all of 3 processes can read it

Next
  Do it: logfold reshard create job --to ring3 --rate 900 --admin ${url}
`,
      stderr: '',
    })
    expect(sent(asked)).toEqual([['POST', '/admin/views/job/reshard', { to: 'ring3', until: 'verified', rate: 900, dryRun: true }]])
  })

  it('that would be refused is a no, and names the remedies', async () => {
    const { url } = await answering({ verb: 'switch', outcome: 'would', checks: [check({ name: 'not-ready', detail: 'it is ready' }), failed] })
    expect(await run(['reshard', 'switch', 'job', '--dry-run', '--admin', url])).toEqual({
      exit: 1,
      stdout: `switch of generation 2 of job would be refused; nothing was done

Checks
  ok  not-ready  it is ready
  no  readers    host/7 cannot read it

Next
  Wait for host/7, or end it
`,
      stderr: '',
    })
    const { exit, stdout } = await run(['reshard', 'switch', 'job', '--dry-run', '--json', '--admin', url])
    expect([exit, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ outcome: 'would', next_steps: ['Wait for host/7, or end it'] })])
  })
})

describe('what cannot be undone', () => {
  it.each([
    ['complete job', 'logfold reshard complete'],
    ['cancel job', 'logfold reshard cancel'],
    ['switch job --force readers', 'logfold reshard switch --force'],
    ['reverse job --force not-ready', 'logfold reshard reverse --force'],
  ])('is not done without a terminal to ask on: %s', async (line, command) => {
    const { url, asked } = await answering()
    expect(await run(['reshard', ...line.split(' '), '--admin', url])).toEqual({
      exit: 2,
      stdout: '',
      stderr: `error: ${command} asks before it does what cannot be undone, and there is no terminal to ask on
Add --yes to do it without being asked, or --dry-run to see what it would do.
`,
    })
    expect(asked).toEqual([])
    expect((await run(['reshard', ...line.split(' '), '--dry-run', '--admin', url])).exit).toBe(0)
  })

  it('is asked for on a terminal, with what the checks say, and done on a yes alone', async () => {
    const answer = { verb: 'complete', generation: 1, checks: [check()], status: statusOf() } as const
    const { url, asked } = await answering(answer)
    const line = ['reshard', 'complete', 'job', '--admin', url]
    const question = `Checks
  ok  readers  all of 3 processes can read it

Generation 1 of job is taken away for good; only folding the log anew brings it back. Then there is no way back to it. Go on? [y/N] `
    for (const stdin of ['n\n', 'yesterday\n', '\n', '']) {
      expect(await run(line, { stdin, isTerminal: true })).toEqual({ exit: 1, stdout: '', stderr: `${question}Nothing was done\n` })
    }
    expect(sent(asked)).toEqual(Array(4).fill(['POST', '/admin/views/job/complete', { dryRun: true }]))
    expect(await run(line, { stdin: 'y\n', isTerminal: true })).toEqual({
      exit: 0,
      stdout: 'Generation 1 of job is taken away, once nobody reads it\n',
      stderr: question,
    })
    expect(sent(asked).at(-1)).toEqual(['POST', '/admin/views/job/complete', {}])
  })

  it('is not asked for where it would be refused', async () => {
    const { url, asked } = await answering({ verb: 'complete', generation: 1, outcome: 'would', checks: [failed] })
    expect(await run(['reshard', 'complete', 'job', '--admin', url], { stdin: 'y\n', isTerminal: true })).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'error: reshard complete would be refused for generation 1 of job\n  readers: host/7 cannot read it\nWait for host/7, or end it\n',
    })
    expect(asked.length).toBe(1)
  })
})

describe('logfold reload', () => {
  it('says what has changed', async () => {
    const reloaded = { addedViews: ['note', 'tag'], addedBackends: ['ring5'], changedViews: [], next_steps: ['See them: logfold status'] }
    const { url, asked } = await fakeServer((_, response) => sendJson(response, reloaded))
    expect(await run(['reload', '--admin', url])).toEqual({
      exit: 0,
      stdout: 'The config was read\nadded backends  ring5\nadded views     note, tag\n\nNext\n  See them: logfold status\n',
      stderr: '',
    })
    expect(asked.map(({ method, url: path }) => [method, path])).toEqual([['POST', '/admin/reload']])
    expect(JSON.parse((await run(['reload', '--json', '--admin', url])).stdout)).toEqual(reloaded)
    const same = await fakeServer((_, response) => sendJson(response, { addedViews: [], addedBackends: [], changedViews: [], next_steps: [] }))
    expect((await run(['reload', '--admin', same.url])).stdout).toBe('The config was read, and nothing in it has changed\n')
  })

  it('that needs a restart is a no', async () => {
    const errors = [{ pointer: 'log.brokers', detail: 'It was changed' }]
    const { url } = await fakeServer((_, response) => sendProblem(response, 'reload-refused', 'One change needs a restart', { errors }, 409))
    expect(await run(['reload', '--admin', url])).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'error: One change needs a restart\n  log.brokers: It was changed\n',
    })
  })
})
