import { describe, expect, it } from 'vitest'
import { generationLine } from '../src/cli/generation-text.ts'
import { bytesText, percentText } from '../src/cli/units.ts'
import type { GenerationStatus } from '../src/model/view-status.ts'
import { fakeServer, run, sendJson } from './cli-world.ts'
import { generationOf, nextOf, progressOf, statusOf } from './support/generation-status.ts'

const shards = [
  { shard: 'a', state: 'folding', entries: 500, bytes: 1_234_567, detail: null },
  { shard: 'b', state: 'waiting', entries: null, bytes: null, detail: 'connection refused' },
]
const problem = { code: 'view-unavailable', detail: 'ring5/b does not answer', remedy: 'Start it again' }
const partitions = [
  { partition: 0, position: 1100, endOffset: 2200 },
  { partition: 1, position: 7, endOffset: 7 },
]
const progress = { done: 1107, total: 2207, perSecond: 100.4, etaSeconds: 11, partitions }
const moving = statusOf({
  lagRecords: 3,
  differs: { detail: 'the config names ring7', command: 'logfold reshard create job --to ring7' },
  generations: [generationOf({ verification: { differences: 0, unresolved: 2, void: false } }), nextOf({ rate: 20_000, shards, problem, progress })],
  next_steps: ['Start it again'],
})
const left = { view: 'old', generations: [{ number: 3, role: 'serving', backend: 'ring3' }], next_steps: ['Put it back'] }
const blocks = `job@1, serving
  backend       local
  verification  no difference, 2 unresolved keys
  workers       1
  readers       host/1

  SHARD  STATE  ENTRIES
  a      up     1,000

job@2, building
  backend       ring5
  progress      50 %, 1,107 of 2,207 records, 100/s, 11 s to go
  rate          at most 20,000/s a worker
  until         verified: it is built and verified, and then waits
  verification  none yet
  workers       1
  readers       none
  problem       ring5/b does not answer
  remedy        Start it again

  SHARD  STATE    ENTRIES  SIZE
  a      folding  500      1.2 MB
  b      waiting  -        -       connection refused

  PARTITION  POSITION  END    LAG
  0          1,100     2,200  1,100

Next
  Start it again
`

describe('a view with a generation beside the one that serves', () => {
  it('is told with both of them by status', async () => {
    const { url } = await fakeServer((_, response) => sendJson(response, moving))
    expect((await run(['status', 'job', '--admin', url])).stdout).toBe(`job
  state         serving
  generation    1
  lag           3
  entries       1,000
  dead letters  0
  topic         job
  backend       local
  format        json
  writable      yes
  workers       1
  differs       the config names ring7: logfold reshard create job --to ring7

${blocks}`)
  })

  it('is told by its generations alone by reshard status', async () => {
    const { url, asked } = await fakeServer(({ url: path }, response) =>
      sendJson(response, path === '/admin/views/job' ? moving : { views: [moving], unconfigured: [left] }),
    )
    expect(await run(['reshard', 'status', 'job', '--admin', url])).toEqual({ exit: 0, stdout: blocks, stderr: '' })
    expect((await run(['reshard', 'status', '--admin', url])).stdout).toBe(
      blocks.replace('\nNext\n  Start it again\n', '\nold is in no config: old@3 (serving, on ring3)\n\nNext\n  Start it again\n  Put it back\n'),
    )
    expect(JSON.parse((await run(['reshard', 'status', 'job', '--json', '--admin', url])).stdout)).toEqual(moving)
    expect(JSON.parse((await run(['reshard', 'status', '--json', '--admin', url])).stdout)).toEqual({
      views: [moving],
      unconfigured: [left],
      next_steps: ['Start it again', 'Put it back'],
    })
    expect(asked.length).toBe(4)
  })

  it('has a line more in the list of all', async () => {
    const { url } = await fakeServer((_, response) => sendJson(response, { views: [moving, statusOf({ view: 'note' })], unconfigured: [] }))
    expect((await run(['status', '--admin', url])).stdout).toBe(`VIEW  STATE    GENERATION  LAG  ENTRIES  DEAD LETTERS  BACKEND
job   serving  1           3    1,000    0             local
note  serving  1           0    1,000    0             local

job@2: building on ring5, 50 %, 1,107 of 2,207 records, 100/s, 11 s to go, ring5/b does not answer

Next
  Start it again
`)
  })
})

it('the first generation, while it is folded, is told with its progress; sizes where a store knows them', async () => {
  const first = generationOf({ progress, shards: [{ shard: 'a', state: 'folding', entries: 1000, bytes: 999_600, detail: null }] })
  const { url } = await fakeServer((_, response) => sendJson(response, statusOf({ state: 'folding', generations: [first] })))
  const { stdout } = await run(['status', 'job', '--admin', url])
  expect(stdout).toContain('  generation    1\n  progress      50 %, 1,107 of 2,207 records, 100/s, 11 s to go\n  lag           0\n')
  expect(stdout).toContain('  SHARD  STATE  ENTRIES  SIZE\n  a      up     1,000    1.0 MB\n')
})

it('a view without a generation says so', async () => {
  const { url } = await fakeServer((_, response) => sendJson(response, statusOf({ generation: null, generations: [], problem })))
  expect((await run(['reshard', 'status', 'job', '--admin', url])).stdout).toBe(
    'job: ring5/b does not answer\n\njob has no generation yet, or none is known here\n',
  )
})

const verify = {
  phase: 'scanning',
  repair: false,
  progress: { ...progress, done: 10, total: 20, perSecond: 5, etaSeconds: 2 },
  waitingFor: null,
  left: 0,
  failure: null,
} as const
const atEnd = progressOf(9, 9)
const readers = Array.from({ length: 8 }, (_, nth) => `host/${nth}`)

it.each<[string, Partial<GenerationStatus>]>([
  [
    'building on ring5, 50 %, 1,100 of 2,200 records, 100/s, 11 s to go, paused: deletes would be missed',
    { paused: true, why: 'deletes would be missed' },
  ],
  ['building on ring5, 0 %, 0 of 2,200 records, paused', { paused: true, progress: progressOf(0, 2200) }],
  ['building on ring5, at the end of the log', { progress: atEnd }],
  ['building on ring5', { progress: null }],
  ['building on ring5, verify: scanning, 10 of 20 entries, 5/s, 2.0 s to go', { verify }],
  ['building on ring5, verify: failed: it is not known why', { verify: { ...verify, phase: 'failed' }, progress: atEnd }],
  ['building on ring5, at the end of the log, 1 difference', { progress: atEnd, verification: { differences: 1, unresolved: 0, void: false } }],
  [
    'building on ring5, at the end of the log, no difference, 1 unresolved key; void, as a shard was folded anew since',
    { progress: atEnd, verification: { differences: 0, unresolved: 1, void: true } },
  ],
  ['verified on ring5, 1,100 records behind', { phase: 'verified' }],
  ['previous on ring5', { phase: 'previous', progress: atEnd }],
  ['leaving on ring5, read by host/0, host/1, host/2, host/3, host/4, host/5 and 2 more, 500 entries left', { phase: 'leaving', readers }],
  ['leaving on ring5', { phase: 'leaving', readers: null, shards: [] }],
  ['leaving on ring5, b is away: connection refused', { phase: 'leaving', shards }],
  ['verified on ring5, b is away: connection refused', { phase: 'verified', progress: atEnd, shards }],
])('a line says: %s', (line, more) => {
  expect(generationLine('job', nextOf(more))).toBe(`job@2: ${line}`)
})

it('a hundred partitions that are behind are not all listed', async () => {
  const many = Array.from({ length: 100 }, (_, partition) => ({ partition, position: 0, endOffset: 5 }))
  const next = nextOf({ progress: { ...progress, partitions: many } })
  const { url } = await fakeServer((_, response) => sendJson(response, statusOf({ generations: [generationOf(), next] })))
  const { stdout } = await run(['status', 'job', '--admin', url])
  expect([stdout.match(/^ {2}\d+ +0 +5 +5$/gm)?.length, stdout.includes('\n  and 80 more of 100\n')]).toEqual([20, true])
})

it('units are what people read', () => {
  const sizes = [0, 999, 1000, 9949, 9950, 999_499, 999_500, 1_234_567, 340_000_000, 4e9, 7e15]
  expect(sizes.map(bytesText)).toEqual(['0 B', '999 B', '1.0 kB', '9.9 kB', '10 kB', '999 kB', '1.0 MB', '1.2 MB', '340 MB', '4.0 GB', '7.0 PB'])
  expect([percentText(0, 9), percentText(2_699_999, 2_700_000), percentText(9, 9), percentText(0, 0)]).toEqual(['0 %', '99 %', '100 %', '100 %'])
})
