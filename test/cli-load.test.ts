import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Answer, type Asked, closedPort, fakeServer, run, sendProblem } from './cli-world.ts'
import { temporaryFolder } from './config-world.ts'

const line = (id: number | string): string => `{"id":"${id}","value":${JSON.stringify(id)}}`
const linesOf = ({ body }: Asked): string[] => body.split('\n').slice(0, -1)
const told = (count: number): string => '{"id":"x","offset":"0:0"}\n'.repeat(count)
const refusal = (code: string, detail: string, more = {}): string => `${JSON.stringify({ error: { code, detail, ...more } })}\n`

/** Takes every line. */
const takeAll: Answer = (asked, response) => void response.end(told(linesOf(asked).length))

/** Answers the first requests as told, and takes every line afterwards. */
const first = (...answers: readonly ((asked: Asked, response: ServerResponse) => void)[]): Answer => {
  const left = [...answers]
  return (asked, response) => (left.shift() ?? takeAll)(asked, response)
}

const withoutTimes = (text: string): string => text.replace(/in [\d.]+ m?s|in \d+ s/g, 'in T').replace(/[\d,]+ lines\/s/g, 'N lines/s')

describe('logfold load', () => {
  it('sends lines as they are, in order, in requests of bounded size', async () => {
    const { url, asked } = await fakeServer(takeAll)
    const lines = Array.from({ length: 2500 }, (_, at) => `{"id":"${at}",  "value":1e400000}`)
    const ran = await run(['load', 'job', '-', '--url', url], { stdin: `${lines.join('\n')}\n` })
    expect({ ...ran, stdout: withoutTimes(ran.stdout) }).toEqual({
      exit: 0,
      stdout: '2,500 lines loaded into job, in T (N lines/s)\n\nNext\n  See how far the view has come: logfold status job\n',
      stderr: '',
    })
    expect(asked.map(linesOf).map(sent => sent.length)).toEqual([1000, 1000, 500])
    expect(asked.flatMap(linesOf)).toEqual(lines)
    expect(asked[0]).toMatchObject({ method: 'POST', url: '/api/job', headers: { 'content-type': 'application/x-ndjson', prefer: 'respond-async' } })
  })

  it('bounds a request by bytes, and sends a longer line alone', async () => {
    const { url, asked } = await fakeServer(takeAll)
    const big = (bytes: number): string => `{"id":"b","value":"${'x'.repeat(bytes)}"}`
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'big.ndjson'), [line(1), big(300_000), big(300_000), big(900_000), line(2), line(3)].join('\n'))
    expect((await run(['load', 'job', 'big.ndjson', '--url', url], { cwd })).exit).toBe(0)
    expect(asked.map(linesOf).map(sent => sent.length)).toEqual([2, 1, 1, 2])
  })

  it('takes the id from a member of the value with --id', async () => {
    const { url, asked } = await fakeServer(takeAll)
    const stdin = '\ufeff{"key": "a\\"", "n": 1.0}\r\n\r\n{"key": 7}\n{"key": 1.5}\n{"kee": 1}\n'
    const ran = await run(['load', 'job', '-', '--id', 'key', '--url', url], { stdin })
    expect([ran.exit, ran.stderr]).toEqual([1, 'line 4: The member key is no text and no whole number\nline 5: The line has no member key\n'])
    expect(asked.flatMap(linesOf)).toEqual(['{"id":"a\\"","value":{"key": "a\\"", "n": 1.0}}', '{"id":"7","value":{"key": 7}}'])
  })

  it('tells each line that is refused with its number, and goes on', async () => {
    const schema = refusal('schema-mismatch', 'It does not fit', { errors: [{ pointer: '/title', detail: 'is missing' }] })
    const { url } = await fakeServer((_, response) => void response.end(`${told(1)}${schema}${told(1)}`))
    const stdin = `${line(1)}\n${line(2)}\n\nnot json\n[1]\n{"id":"x"}\n${line(7)}\n`
    const ran = await run(['load', 'job', '-', '--url', url], { stdin })
    expect({ ...ran, stdout: withoutTimes(ran.stdout) }).toEqual({
      exit: 1,
      stdout: '2 lines loaded into job, 4 refused, in T (N lines/s)\n\nNext\n  See how far the view has come: logfold status job\n',
      stderr: `line 4: The line is not JSON: Unexpected token 'o', "not json" is not valid JSON
line 5: The line is not a JSON object
line 6: The line has no value. A line that is the value itself needs --id MEMBER
line 2: It does not fit; /title is missing
`,
    })
  })

  it('tells twenty refused lines, and counts the rest', async () => {
    const { url } = await fakeServer(takeAll)
    const { stderr, stdout } = await run(['load', 'job', '-', '--url', url], { stdin: '1\n'.repeat(30) })
    expect(stderr.split('\n').slice(18)).toEqual([
      'line 19: The line is not a JSON object',
      'line 20: The line is not a JSON object',
      'Further lines that are refused are counted only',
      '',
    ])
    expect(stdout.split('\n')[0]).toMatch(/^0 lines loaded into job, 30 refused/)
  })

  it('skips a line that is too long without holding it', async () => {
    const { url, asked } = await fakeServer(takeAll)
    const { stderr } = await run(['load', 'job', '-', '--url', url], { stdin: `${line(1)}\n"${'x'.repeat(6_100_000)}"\n${line(3)}` })
    expect(stderr).toBe('line 2: The line is longer than any value can be\n')
    expect(asked.flatMap(linesOf)).toEqual([line(1), line(3)])
  })

  it('with --json tells each acknowledged chunk, and the sum at the end', async () => {
    const { url } = await fakeServer(first((_, response) => void response.end(`${told(999)}${refusal('invalid-value', 'No')}`)))
    const stdin = Array.from({ length: 1500 }, (_, at) => `${line(at)}\n`).join('')
    const { exit, stdout } = await run(['load', 'job', '-', '--json', '--url', url], { stdin })
    expect([
      exit,
      ...stdout
        .trimEnd()
        .split('\n')
        .map(text => JSON.parse(text) as unknown),
    ]).toEqual([
      1,
      { refused: 1000, error: { code: 'invalid-value', title: 'The value is outside the limits or the format of the view', detail: 'No' } },
      { acknowledged: 1000 },
      { acknowledged: 1500 },
      { loaded: 1499, refused: 1, last_acknowledged: 1500, complete: true, next_steps: ['See how far the view has come: logfold status job'] },
    ])
  })

  it('begins at a line with --from-line', async () => {
    const { url, asked } = await fakeServer(takeAll)
    const { stdout } = await run(['load', 'job', '-', '--json', '--from-line', '3', '--url', url], { stdin: [1, 2, 3, 4].map(line).join('\n') })
    expect(asked.flatMap(linesOf)).toEqual([line(3), line(4)])
    expect(stdout.split('\n')[0]).toBe('{"acknowledged":4}')
  })
})

describe('a load whose server goes away', () => {
  it('waits until it is back', async () => {
    const { url, asked } = await fakeServer(first((_, response) => sendProblem(response, 'log-unavailable', 'The log is away', {}, 503)))
    const { exit, stderr } = await run(['load', 'job', '-', '--url', url], { stdin: line(1) })
    expect([exit, stderr]).toEqual([0, 'The log is away. Trying again for 2 min\nThe server takes lines again\n'])
    expect(asked.map(linesOf)).toEqual([[line(1)], [line(1)]])
  })

  it('waits for one that does not listen yet', async () => {
    const port = await closedPort()
    const told = Promise.withResolvers<string>()
    const running = run(['load', 'job', '-', '--url', `http://127.0.0.1:${port}`], { stdin: line(1), onStderr: told.resolve })
    expect(await told.promise).toBe(`http://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}. Trying again for 2 min\n`)
    const { asked } = await fakeServer(takeAll, port)
    const { exit } = await running
    expect([exit, asked.flatMap(linesOf)]).toEqual([0, [line(1)]])
  })

  it('sends again, from the first line without an answer, what nobody knows about, where each line has an id', async () => {
    const cut: Answer = (_, response) => {
      response.write(`${told(1)}{"id":"2","off`, () => response.destroy())
    }
    const { url, asked } = await fakeServer(first(cut, (_, response) => response.destroy()))
    const { exit, stdout } = await run(['load', 'job', '-', '--json', '--url', url], { stdin: [1, 2, 3].map(line).join('\n') })
    expect(asked.map(linesOf)).toEqual([[1, 2, 3].map(line), [2, 3].map(line), [2, 3].map(line)])
    expect([
      exit,
      ...stdout
        .trimEnd()
        .split('\n')
        .map(text => JSON.parse(text) as unknown),
    ]).toEqual([
      0,
      { acknowledged: 1 },
      { acknowledged: 3 },
      { loaded: 3, refused: 0, last_acknowledged: 3, complete: true, next_steps: ['See how far the view has come: logfold status job'] },
    ])
  })

  it('takes the answer of a line for what it is: unknown, not sent', async () => {
    const answers = `${told(1)}${refusal('outcome-unknown', 'Not confirmed')}${refusal('not-sent', 'Not sent')}`
    const { url, asked } = await fakeServer(first((_, response) => void response.end(answers)))
    expect((await run(['load', 'job', '-', '--url', url], { stdin: [1, 2, 3].map(line).join('\n') })).exit).toBe(0)
    expect(asked.map(linesOf)).toEqual([[1, 2, 3].map(line), [2, 3].map(line)])
  })

  it('stops where lines without an id may have been written, and says how to go on', async () => {
    const { url, asked } = await fakeServer(
      first((_, response) => {
        response.write(told(1), () => response.destroy())
      }),
    )
    const stdin = `${line(1)}\n\n{"value": 3}\n`
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'jobs.ndjson'), stdin)
    const { exit, stdout, stderr } = await run(['load', 'job', 'jobs.ndjson', '--url', url], { cwd })
    expect([exit, stdout, withoutTimes(stderr)]).toEqual([
      1,
      '',
      `error: The connection to ${url} broke before the answer (other side closed); the write may have been done
1 line loaded into job, in T (N lines/s)
The last acknowledged line is 2

Next
  Some of the lines behind it may be in the log already; those without an id would then come twice.
  Go on: logfold load job jobs.ndjson --from-line 3
`,
    ])
    expect(asked).toHaveLength(1)
  })

  it('gives up when its patience is at an end', async () => {
    const port = await closedPort()
    const { exit, stdout } = await run(['load', 'job', '-', '--json', '--patience', '0', '--url', `http://127.0.0.1:${port}`], { stdin: line(1) })
    expect([exit, JSON.parse(stdout)]).toEqual([
      69,
      {
        loaded: 0,
        refused: 0,
        last_acknowledged: 0,
        complete: false,
        error: {
          code: 'unreachable',
          title: 'The server cannot be reached',
          detail: `http://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}`,
          remedy: 'Start the server with logfold start, or give another address with --url or LOGFOLD_URL.',
        },
        next_steps: ['Start the server with logfold start, or give another address with --url or LOGFOLD_URL.', 'Go on with the lines behind it.'],
      },
    ])
  })

  it('does not wait where waiting is no use', async () => {
    const { url, asked } = await fakeServer((_, response) =>
      sendProblem(response, 'no-such-view', 'There is no view "jbo"', { remedy: 'Look.' }, 404),
    )
    const { exit, stderr } = await run(['load', 'jbo', '-', '--url', url], { stdin: line(1) })
    expect([exit, stderr.split('\n')[0], asked.length]).toEqual([1, 'error: There is no view "jbo"', 1])
    const gone = await run(['load', 'job', 'gone.ndjson', '--url', url], { cwd: '/nowhere' })
    expect(gone).toEqual({ exit: 2, stdout: '', stderr: 'error: There is no file /nowhere/gone.ndjson\n' })
  })

  it('ends at Ctrl-C, behind the request that is under way', async () => {
    let interrupt = (): void => undefined
    const { url, asked } = await fakeServer((one, response) => {
      interrupt()
      takeAll(one, response)
    })
    const stdin = Array.from({ length: 5000 }, (_, at) => `${line(at)}\n`).join('')
    const { exit, stderr } = await run(['load', 'job', '-', '--url', url], {
      stdin,
      onInterruptible: given => {
        interrupt = given
      },
    })
    expect([exit, asked.length, withoutTimes(stderr)]).toEqual([
      130,
      1,
      'Interrupted\n1,000 lines loaded into job, in T (N lines/s)\nThe last acknowledged line is 1000\n\nNext\n  Go on with the lines behind it.\n',
    ])
  })
})
