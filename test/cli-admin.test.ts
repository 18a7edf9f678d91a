import { describe, expect, it } from 'vitest'
import { fakeServer, run, sendJson, sendProblem } from './cli-world.ts'
import { statusOf } from './support/generation-status.ts'

const job = statusOf({
  lagRecords: 1200,
  partitions: [
    { partition: 0, position: 1000, endOffset: 2200 },
    { partition: 1, position: null, endOffset: 7 },
  ],
  shards: [
    { shard: 'a', state: 'up', entries: 1000, detail: null },
    { shard: 'b', state: 'waiting', entries: 234, detail: 'connection refused' },
  ],
  deadLetters: 2,
  next_steps: ['Look at the records that could not be folded: logfold deadletters list job'],
})
const note = {
  ...job,
  view: 'note',
  state: 'waiting',
  generation: null,
  lagRecords: null,
  shards: [{ shard: 'a', state: 'up', entries: null, detail: null }],
}
const stuck = {
  ...note,
  deadLetters: null,
  problem: { code: 'topic-missing', detail: 'There is no topic note', remedy: 'Make it' },
  next_steps: ['Make it'],
}

const left = {
  view: 'old',
  generations: [
    { number: 3, role: 'serving', backend: 'ring3' },
    { number: 4, role: 'next', backend: 'pg' },
  ],
  next_steps: ['Put it back'],
}

describe('logfold status', () => {
  it('shows the views, a line each, what is wrong, and what to do next', async () => {
    const { url, asked } = await fakeServer((_, response) => sendJson(response, { views: [job, stuck], unconfigured: [left] }))
    expect(await run(['status', '--admin', url])).toEqual({
      exit: 0,
      stdout: `VIEW  STATE    GENERATION  LAG    ENTRIES  DEAD LETTERS  BACKEND
job   serving  1           1,200  1,234    2             local
note  waiting  -           -      -        -             local

note: There is no topic note
old is in no config: old@3 (serving, on ring3), old@4 (next, on pg)

Next
  Look at the records that could not be folded: logfold deadletters list job
  Make it
  Put it back
`,
      stderr: '',
    })
    expect(asked.map(one => one.url)).toEqual(['/admin/views'])
    expect(JSON.parse((await run(['status', '--json'], { env: { LOGFOLD_ADMIN_URL: url } })).stdout)).toEqual({
      views: [job, stuck],
      unconfigured: [left],
      next_steps: ['Look at the records that could not be folded: logfold deadletters list job', 'Make it', 'Put it back'],
    })
  })

  it('of one view shows its shards and partitions', async () => {
    const { url, asked } = await fakeServer((_, response) => sendJson(response, job))
    expect(await run(['status', 'job', '--admin', url])).toEqual({
      exit: 0,
      stdout: `job
  state         serving
  generation    1
  lag           1,200
  entries       1,234
  dead letters  2
  topic         job
  backend       local
  format        json
  writable      yes
  workers       1

  SHARD  STATE    ENTRIES
  a      up       1,000
  b      waiting  234      connection refused

  PARTITION  POSITION  END    LAG
  0          1,000     2,200  1,200
  1          -         7      -

Next
  Look at the records that could not be folded: logfold deadletters list job
`,
      stderr: '',
    })
    expect(asked.map(one => one.url)).toEqual(['/admin/views/job'])
    expect(JSON.parse((await run(['status', 'job', '--json', '--admin', url])).stdout)).toEqual(job)
  })

  it.each([
    ['scanning', { left: 1, waitingFor: 'shard a' }, 'scanning, 10 of 20 entries, 5/s, 2.0 s to go, 1 difference, waiting: shard a'],
    ['waiting', {}, 'waiting'],
    ['done', { left: 1200 }, 'done, 1,200 differences left'],
    ['done', {}, 'done, no difference left'],
    ['failed', { failure: { code: 'topic-missing', detail: 'There is no topic', remedy: null } }, 'failed: There is no topic'],
    ['cancelled', {}, 'cancelled'],
  ])('of one view shows its verify: %s %j', async (phase, more, line) => {
    const progress = { done: 10, total: 20, perSecond: 5, etaSeconds: 2 }
    const verify = { phase, repair: false, progress, waitingFor: null, left: 0, failure: null, ...more }
    const { url } = await fakeServer((_, response) => sendJson(response, { ...job, verify }))
    expect((await run(['status', 'job', '--admin', url])).stdout).toContain(`\n  workers       1\n  verify        ${line}\n`)
  })

  it('of a view that is not there says no', async () => {
    const { url } = await fakeServer((_, response) => sendProblem(response, 'no-such-view', 'There is no view "x"', {}, 404))
    expect((await run(['status', 'x', '--admin', url])).exit).toBe(1)
  })
})

const letter = {
  letter: '1:3:17:now',
  generation: 1,
  partition: 3,
  offset: 17,
  topicId: 'now',
  otherTopic: false,
  otherGeneration: false,
  timestampMs: 1_700_000_000_000,
  reason: 'value-not-json',
  detail: 'The value is not JSON',
  id: 'a\u001b[31m',
  keyBytes: 6,
  valueBytes: 1,
}

describe('logfold deadletters', () => {
  it('list shows why, and whether a later record healed it; nothing in an id moves the terminal', async () => {
    const items = [
      letter,
      { ...letter, letter: '1:3:18:now', offset: 18, id: undefined, reason: 'key-null' },
      { ...letter, letter: '1:3:19:now', offset: 19, resolvedBy: '3:20' },
    ]
    const { url, asked } = await fakeServer((_, response) => sendJson(response, { items, next: '1:3:19:now', total: 9 }))
    expect(await run(['deadletters', 'list', 'job', '--admin', url, '--limit', '3', '--after', '1:3:16'])).toEqual({
      exit: 0,
      stdout: `LETTER  TIME                      ID             RESOLVED    REASON          DETAIL
1:3:17  2023-11-14T22:13:20.000Z  "a\\u001b[31m"  unresolved  value-not-json  The value is not JSON
1:3:18  2023-11-14T22:13:20.000Z  -              unresolved  key-null        The value is not JSON
1:3:19  2023-11-14T22:13:20.000Z  "a\\u001b[31m"  by 3:20     value-not-json  The value is not JSON

Next
  See the bytes of one: logfold deadletters show job 1:3:17
  An id is resolved by writing it again: logfold put job ID VALUE
  Or, where an older logfold could not fold it, by folding it again: logfold deadletters replay job --all
  Take those that are resolved away: logfold deadletters drop job --resolved
  Go on: logfold deadletters list job --after 1:3:19
`,
      stderr: '',
    })
    expect(asked.map(one => one.url)).toEqual(['/admin/views/job/deadletters?limit=3&after=1%3A3%3A16'])
  })

  it('list tells those of another topic apart: they are neither resolved nor unresolved, and are called by their whole names', async () => {
    const foreign = { ...letter, letter: '1:3:17:then', topicId: 'then', otherTopic: true }
    const resolved = { ...foreign, letter: '1:3:18:then', offset: 18, resolvedBy: '3:20' }
    const { url } = await fakeServer((_, response) => sendJson(response, { items: [letter, foreign, resolved], next: '1:3:18:then', total: 9 }))
    expect((await run(['deadletters', 'list', 'job', '--admin', url])).stdout).toBe(
      `LETTER       TIME                      ID             RESOLVED          REASON          DETAIL
1:3:17       2023-11-14T22:13:20.000Z  "a\\u001b[31m"  unresolved        value-not-json  The value is not JSON
1:3:17:then  2023-11-14T22:13:20.000Z  "a\\u001b[31m"  of another topic  value-not-json  The value is not JSON
1:3:18:then  2023-11-14T22:13:20.000Z  "a\\u001b[31m"  of another topic  value-not-json  The value is not JSON

Next
  See the bytes of one: logfold deadletters show job 1:3:17
  An id is resolved by writing it again: logfold put job ID VALUE
  Or, where an older logfold could not fold it, by folding it again: logfold deadletters replay job --all
  Take those of topics that the view no longer has away: logfold deadletters drop job --other-topic
  Go on: logfold deadletters list job --after 1:3:18:then
`,
    )
  })

  it('list tells those of another generation apart: they are neither resolved nor unresolved', async () => {
    const before = { ...letter, letter: '1:3:17:now', otherGeneration: true }
    const items = [{ ...letter, letter: '2:3:17:now', generation: 2, resolvedBy: '3:20' }, before]
    const { url } = await fakeServer((_, response) => sendJson(response, { items, next: null, total: 2 }))
    expect((await run(['deadletters', 'list', 'job', '--admin', url])).stdout).toBe(
      `LETTER  TIME                      ID             RESOLVED               REASON          DETAIL
2:3:17  2023-11-14T22:13:20.000Z  "a\\u001b[31m"  by 3:20                value-not-json  The value is not JSON
1:3:17  2023-11-14T22:13:20.000Z  "a\\u001b[31m"  of another generation  value-not-json  The value is not JSON

Next
  See the bytes of one: logfold deadletters show job 2:3:17
  Take those that are resolved away: logfold deadletters drop job --resolved
`,
    )
  })

  it('list says so where there is none', async () => {
    const { url } = await fakeServer((_, response) => sendJson(response, { items: [], next: null, total: 0 }))
    expect((await run(['deadletters', 'list', 'job', '--admin', url])).stdout).toBe('job has no dead letters\n')
    expect((await run(['deadletters', 'list', 'job', '--json', '--admin', url])).stdout).toBe('{"items":[],"next":null,"total":0,"next_steps":[]}\n')
  })

  it('show has the bytes of the record', async () => {
    const { url, asked } = await fakeServer((_, response) =>
      sendJson(response, { ...letter, resolvedBy: '3:20', key: 'a\u001b[31m', keyBase64: 'YRtbMzFt', valueBase64: '/w==' }),
    )
    expect(await run(['deadletters', 'show', 'job', '1:3:17', '--admin', url])).toEqual({
      exit: 0,
      stdout: `1:3:17
  time        2023-11-14T22:13:20.000Z
  reason      value-not-json
  detail      The value is not JSON
  id          "a\\u001b[31m"
  generation  1
  topic       now
  resolved    by 3:20
  key         "a\\u001b[31m"
  value       base64 /w==
`,
      stderr: '',
    })
    expect(asked.map(one => one.url)).toEqual(['/admin/views/job/deadletters/1%3A3%3A17'])
  })

  it('show says where it is of another generation', async () => {
    const before = { ...letter, otherGeneration: true, keyBase64: null, valueBase64: null }
    const { url } = await fakeServer((_, response) => sendJson(response, before))
    const { stdout } = await run(['deadletters', 'show', 'job', '1:3:17', '--admin', url])
    expect(stdout.split('\n').filter(line => /generation/.test(line))).toEqual(['  generation  1, not the one that serves'])
  })

  it('show says where it is of another topic', async () => {
    const foreign = { ...letter, letter: '1:3:17:then', topicId: 'then', otherTopic: true, keyBase64: null, valueBase64: null }
    const { url } = await fakeServer((_, response) => sendJson(response, foreign))
    const { stdout } = await run(['deadletters', 'show', 'job', '1:3:17:then', '--admin', url])
    expect(stdout.split('\n').filter(line => /then/.test(line))).toEqual(['1:3:17:then', '  topic       then, not the one that the view has now'])
  })
})
