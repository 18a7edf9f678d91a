import { describe, expect, it } from 'vitest'
import { type Asked, fakeServer, run, sendJson, sendProblem } from './cli-world.ts'

const answers: Readonly<Record<string, object>> = {
  '1:3:17': { kind: 'replayed', place: '3:17' },
  '1:3:18': { kind: 'still-faulty', reason: 'value-not-json', detail: 'It is not JSON' },
  '1:3:19': { kind: 'superseded', by: '3:20' },
  '1:3:20': { kind: 'superseded' },
}
const letters = Object.keys(answers)
const whole = (letter: string): string => `${letter}:now`
const FOREIGN = '1:3:17:then'
const BEFORE = '0:3:17:now'
const BEFORE_RESOLVED = '0:3:18:now'
/** The last two of the view's topic and generation are resolved. */
const items = [
  ...letters.map((letter, nth) => {
    const [generation, partition, offset] = letter.split(':').map(Number)
    return {
      letter: whole(letter),
      generation,
      partition,
      offset,
      otherTopic: false,
      otherGeneration: false,
      ...(nth > 1 ? { resolvedBy: '3:99' } : {}),
    }
  }),
  { letter: BEFORE, generation: 0, partition: 3, offset: 17, otherTopic: false, otherGeneration: true },
  { letter: BEFORE_RESOLVED, generation: 0, partition: 3, offset: 18, otherTopic: false, otherGeneration: true, resolvedBy: '3:99' },
  { letter: FOREIGN, otherTopic: true, otherGeneration: false },
]

/** Two letters a page. Replays as the table says, drops whatever is there. */
const server = () =>
  fakeServer(({ method, url }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://here')
    const [letter = '', verb] = pathname.split('/').slice(5).map(decodeURIComponent)
    if (letter === '') {
      const from = items.findIndex(item => item.letter === searchParams.get('after')) + 1
      const page = items.slice(from, from + 2)
      return sendJson(response, { items: page, next: from + 2 < items.length ? page.at(-1)?.letter : null, total: items.length })
    }
    if (letter === '1:0:500') return sendProblem(response, 'log-unavailable', 'The log is away', { remedy: 'Bring it back' }, 503)
    if (letter === FOREIGN && verb === 'replay')
      return sendProblem(response, 'foreign-dead-letter', 'It is of another topic', { remedy: 'Drop it' }, 409)
    const answer = answers[letter.replace(/:now$/, '')]
    if (answer === undefined && letter !== FOREIGN) return sendProblem(response, 'no-such-dead-letter', `There is no dead letter ${letter}`, {}, 404)
    sendJson(response, { letter, ...(verb === 'replay' && method === 'POST' ? answer : { kind: method === 'DELETE' ? 'dropped' : '?' }) })
  })

const requests = (asked: readonly Asked[]): string[] => asked.map(({ method, url }) => `${method} ${decodeURIComponent(url)}`)

describe('logfold deadletters replay', () => {
  it('says of each letter what became of it; one that is still faulty is a no', async () => {
    const { url, asked } = await server()
    expect(await run(['deadletters', 'replay', 'job', ...letters, '--admin', url])).toEqual({
      exit: 1,
      stdout: `1:3:17  replayed at 3:17
1:3:18  still-faulty: value-not-json, It is not JSON
1:3:19  superseded by 3:20
1:3:20  superseded by a record that compaction has removed

Next
  Write its key again: logfold put job ID VALUE
  Or let it go: logfold deadletters drop job 1:3:18
`,
      stderr: '',
    })
    expect(requests(asked)).toEqual(letters.map(letter => `POST /admin/views/job/deadletters/${letter}/replay`))
    expect(asked[0]?.headers['content-type']).toBe('application/json')
    expect(await run(['deadletters', 'replay', 'job', '1:3:17', '1:3:19', '--json', '--admin', url])).toEqual({
      exit: 0,
      stdout:
        '{"results":[{"letter":"1:3:17","kind":"replayed","place":"3:17"},{"letter":"1:3:19","kind":"superseded","by":"3:20"}],"next_steps":[]}\n',
      stderr: '',
    })
  })

  it('--all takes those that are unresolved, of every page', async () => {
    const { url, asked } = await server()
    const { exit, stdout } = await run(['deadletters', 'replay', 'job', '--all', '--json', '--admin', url])
    expect([exit, JSON.parse(stdout)]).toEqual([
      1,
      {
        results: letters.slice(0, 2).map(letter => ({ letter: whole(letter), ...answers[letter] })),
        next_steps: ['Write its key again: logfold put job ID VALUE', 'Or let it go: logfold deadletters drop job 1:3:18'],
      },
    ])
    expect(requests(asked).slice(0, 2)).toEqual([
      'GET /admin/views/job/deadletters?limit=1000',
      'GET /admin/views/job/deadletters?limit=1000&after=1:3:18:now',
    ])
    expect((await run(['deadletters', 'replay', 'job', '--all', '--admin', url])).stdout.split('\n').slice(0, 2)).toEqual([
      '1:3:17  replayed at 3:17',
      '1:3:18  still-faulty: value-not-json, It is not JSON',
    ])
  })

  it('goes on behind a letter of another topic', async () => {
    const { url } = await server()
    expect(await run(['deadletters', 'replay', 'job', FOREIGN, '1:3:17', '--admin', url])).toEqual({
      exit: 1,
      stdout: '1:3:17  replayed at 3:17\n\nNext\n  Drop it\n',
      stderr: '1:3:17:then  error: It is of another topic\n',
    })
  })

  it('goes on behind a letter that is not there, and stops where the server can’t', async () => {
    const { url, asked } = await server()
    expect(await run(['deadletters', 'replay', 'job', '1:0:1', '1:3:17', '1:0:500', '1:3:19', '--admin', url])).toEqual({
      exit: 69,
      stdout: '1:3:17  replayed at 3:17\n\nNext\n  Bring it back\n',
      stderr: '1:0:1  error: There is no dead letter 1:0:1\n1:0:500  error: The log is away\n',
    })
    expect(asked).toHaveLength(3)
    const { exit, stdout } = await run(['deadletters', 'replay', 'job', '1:0:1', '--json', '--admin', url])
    expect([exit, JSON.parse(stdout)]).toEqual([
      1,
      {
        results: [
          {
            letter: '1:0:1',
            error: { code: 'no-such-dead-letter', title: 'There is no such dead letter', detail: 'There is no dead letter 1:0:1' },
          },
        ],
        next_steps: [],
      },
    ])
  })
})

describe('logfold deadletters drop', () => {
  it('drops those that are named, or all that are resolved', async () => {
    const { url, asked } = await server()
    expect(await run(['deadletters', 'drop', 'job', '1:3:17', '--admin', url])).toEqual({ exit: 0, stdout: '1:3:17  dropped\n', stderr: '' })
    expect(await run(['deadletters', 'drop', 'job', '--resolved', '--admin', url])).toEqual({
      exit: 0,
      stdout: '1:3:19  dropped\n1:3:20  dropped\n',
      stderr: '',
    })
    expect(requests(asked).filter(one => one.startsWith('DELETE'))).toEqual(
      ['1:3:17', whole('1:3:19'), whole('1:3:20')].map(letter => `DELETE /admin/views/job/deadletters/${letter}`),
    )
  })

  it('--other-topic drops all that are of another topic; both flags mean both', async () => {
    const { url } = await server()
    expect((await run(['deadletters', 'drop', 'job', '--other-topic', '--admin', url])).stdout).toBe('1:3:17:then  dropped\n')
    expect((await run(['deadletters', 'drop', 'job', '--resolved', '--other-topic', '--admin', url])).stdout).toBe(
      '1:3:19  dropped\n1:3:20  dropped\n1:3:17:then  dropped\n',
    )
  })

  it('says so where there is nothing to do', async () => {
    const { url } = await fakeServer((_, response) => sendJson(response, { items: [], next: null, total: 0 }))
    expect(await run(['deadletters', 'drop', 'job', '--resolved', '--admin', url])).toEqual({
      exit: 0,
      stdout: 'job has no resolved dead letters\n',
      stderr: '',
    })
    expect((await run(['deadletters', 'drop', 'job', '--other-topic', '--admin', url])).stdout).toBe('job has no dead letters of another topic\n')
    expect((await run(['deadletters', 'replay', 'job', '--all', '--admin', url])).stdout).toBe('job has no unresolved dead letters\n')
    expect((await run(['deadletters', 'drop', 'job', '--resolved', '--json', '--admin', url])).stdout).toBe('{"results":[],"next_steps":[]}\n')
  })

  it('wants letters or the flag, and not both', async () => {
    expect(await run(['deadletters', 'drop', 'job'])).toEqual({
      exit: 2,
      stdout: '',
      stderr: 'error: Name the letters, or say --resolved or --other-topic\nSee them: logfold deadletters list job\n',
    })
    expect((await run(['deadletters', 'replay', 'job', '1:3:17', '--all'])).exit).toBe(2)
    expect((await run(['deadletters', 'drop', 'job', '--all'])).exit).toBe(2)
  })
})
