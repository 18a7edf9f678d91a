import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { closedPort, fakeServer, run, sendJson, sendProblem } from './cli-world.ts'
import { LEAST, temporaryFolder } from './config-world.ts'

describe('logfold get', () => {
  it('prints the very bytes of an entry', async () => {
    const { url, asked } = await fakeServer((_, response) =>
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"a":  1e400000}\n'),
    )
    expect(await run(['get', 'job', 'a/b %ü', '--url', `${url}/`], { env: { LOGFOLD_TOKEN: 'secret' } })).toEqual({
      exit: 0,
      stdout: '{"a":  1e400000}\n',
      stderr: '',
    })
    expect(asked.map(({ method, url: path, headers }) => [method, path, headers.authorization])).toEqual([
      ['GET', '/api/job/a%2Fb%20%25%C3%BC', 'Bearer secret'],
    ])
  })

  it('with --json rounds no number, and says what it is', async () => {
    const headers = { 'Content-Type': 'application/json', ETag: '"x"', 'Logfold-Generation': '2' }
    const json = await fakeServer((_, response) => response.writeHead(200, headers).end('{"a":\n 1e400000}'))
    expect((await run(['get', 'job', '1', '--json', '--url', json.url])).stdout).toBe(
      '{"id":"1","value":{"a":  1e400000},"etag":"\\"x\\"","generation":2}\n',
    )
    const text = await fakeServer((_, response) => response.writeHead(200, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }).end('a\nb'))
    expect((await run(['get', 'job', '1', '--json', '--url', text.url])).stdout).toBe('{"id":"1","value":"a\\nb","etag":"\\"x\\"","generation":2}\n')
    const bytes = await fakeServer((_, response) =>
      response.writeHead(200, { ...headers, 'Content-Type': 'application/octet-stream' }).end(Buffer.from([0, 255])),
    )
    expect((await run(['get', 'job', '1', '--json', '--url', bytes.url])).stdout).toBe(
      '{"id":"1","valueBase64":"AP8=","etag":"\\"x\\"","generation":2}\n',
    )
  })

  it('says no with the exit code 1, and what to do', async () => {
    const { url } = await fakeServer((_, response) => sendProblem(response, 'no-such-entry', 'job has no entry "1"', { remedy: 'Look.' }, 404))
    expect(await run(['get', 'job', '1', '--url', url])).toEqual({ exit: 1, stdout: '', stderr: 'error: job has no entry "1"\nLook.\n' })
    expect(await run(['get', 'job', '1', '--json', '--url', url])).toEqual({
      exit: 1,
      stdout:
        '{"error":{"code":"no-such-entry","title":"There is no such entry","detail":"job has no entry \\"1\\"","remedy":"Look."},"next_steps":["Look."]}\n',
      stderr: '',
    })
  })

  it('ends with 69 where the server cannot be reached, or is another one', async () => {
    const port = await closedPort()
    expect(await run(['get', 'job', '1', '--url', `http://127.0.0.1:${port}`])).toEqual({
      exit: 69,
      stdout: '',
      stderr: `error: http://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED 127.0.0.1:${port}
Start the server with logfold start, or give another address with --url or LOGFOLD_URL.
`,
    })
    const { url } = await fakeServer((_, response) => response.writeHead(404).end('<h1>Apache</h1>'))
    expect(await run(['get', 'job', '1'], { env: { LOGFOLD_URL: url } })).toEqual({
      exit: 69,
      stdout: '',
      stderr: `error: ${url} answered 404 Not Found, and not as logfold does
Is that logfold's address? Give another with --url or LOGFOLD_URL.
`,
    })
  })

  it('names the two ids that no address can hold', async () => {
    expect(await run(['get', 'job', '..', '--url', 'http://127.0.0.1:1'])).toEqual({
      exit: 2,
      stdout: '',
      stderr: `error: The id ".." cannot be part of an address
Read it with GET /api/job?id=.., and write it with load: {"id": "..", "value": …}
`,
    })
  })

  it('finds the address in the config', async () => {
    const { url } = await fakeServer((_, response) => response.end('x'))
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'logfold.yaml'), `${LEAST}http: { port: ${new URL(url).port} }\n`)
    expect((await run(['get', 'job', '1'], { cwd })).stdout).toBe('x')
  })
})

describe('logfold put and del', () => {
  it('write, and tell the place in the log', async () => {
    const { url, asked } = await fakeServer((_, response) => sendJson(response, { id: '1', offset: '3:17' }))
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'v.json'), '{"v": 3}')
    const env = { LOGFOLD_URL: url }
    expect(await run(['put', 'job', '1', '{"v": 1}'], { env })).toEqual({ exit: 0, stdout: 'job 1 is set, at 3:17\n', stderr: '' })
    expect((await run(['put', 'job', '1', '-'], { env, stdin: '{"v": 2}' })).exit).toBe(0)
    expect((await run(['put', 'job', '1'], { env, stdin: '{"v": 2}' })).exit).toBe(0)
    expect((await run(['put', 'job', '1', '--file', 'v.json'], { env, cwd })).exit).toBe(0)
    expect((await run(['put', 'job', '1', '--json', '--', '-5'], { env })).stdout).toBe('{"id":"1","offset":"3:17","visible":true,"next_steps":[]}\n')
    expect(await run(['del', 'job', '1'], { env })).toEqual({ exit: 0, stdout: 'job 1 is deleted, at 3:17\n', stderr: '' })
    expect(asked.map(({ method, url: path, headers, body }) => [method, path, headers['content-type'], body])).toEqual([
      ['PUT', '/api/job/1', 'application/json', '{"v": 1}'],
      ['PUT', '/api/job/1', 'application/json', '{"v": 2}'],
      ['PUT', '/api/job/1', 'application/json', '{"v": 2}'],
      ['PUT', '/api/job/1', 'application/json', '{"v": 3}'],
      ['PUT', '/api/job/1', 'application/json', '-5'],
      ['DELETE', '/api/job/1', undefined, ''],
    ])
  })

  it('say so where the entry is in the log and not visible yet', async () => {
    const { url } = await fakeServer((_, response) => sendJson(response, { id: '1', offset: '3:17' }, 202))
    expect((await run(['put', 'job', '1', '1', '--url', url])).stdout).toBe(
      'job 1 is set, at 3:17 (in the log, and not visible yet)\nSee how far the view has come: logfold status job\n',
    )
  })

  it('send bytes to a view that takes no JSON', async () => {
    const { url, asked } = await fakeServer(({ headers }, response) => {
      if (headers['content-type'] === 'application/json') sendProblem(response, 'unsupported-media-type', 'No', {}, 415)
      else sendJson(response, { id: '1', offset: '0:0' })
    })
    expect((await run(['put', 'note', '1', 'hello', '--url', url])).exit).toBe(0)
    expect(asked.map(({ headers, body }) => [headers['content-type'], body])).toEqual([
      ['application/json', 'hello'],
      ['application/octet-stream', 'hello'],
    ])
  })

  it('say so where nobody knows whether it was done', async () => {
    const { url } = await fakeServer((_, response) => response.destroy())
    expect(await run(['put', 'job', '1', '1', '--url', url])).toEqual({
      exit: 1,
      stdout: '',
      stderr: `error: The connection to ${url} broke before the answer (other side closed); the write may have been done
Look, or repeat it: put and del may be repeated.
`,
    })
  })

  it('tell each place where a value does not fit its schema', async () => {
    const errors = [{ pointer: '/title', detail: 'is missing' }]
    const { url } = await fakeServer((_, response) =>
      sendProblem(response, 'schema-mismatch', 'The value does not fit', { errors, remedy: 'Correct it.' }),
    )
    expect((await run(['put', 'job', '1', '{}', '--url', url])).stderr).toBe('error: The value does not fit\n  /title: is missing\nCorrect it.\n')
  })

  it('say how to send a token', async () => {
    const { url } = await fakeServer((_, response) => sendProblem(response, 'unauthorized', 'A token with the scope write is needed', {}, 401))
    expect((await run(['del', 'job', '1', '--url', url])).stderr).toBe(
      'error: A token with the scope write is needed\nSet LOGFOLD_TOKEN to a token that the config names.\n',
    )
  })

  it('refuse a value too long before anything is sent, and one given twice', async () => {
    const { url, asked } = await fakeServer((_, response) => response.end())
    expect(await run(['put', 'job', '1', '--url', url], { stdin: 'x'.repeat(1_000_001) })).toEqual({
      exit: 1,
      stdout: '',
      stderr: 'error: The value has more than 1000000 bytes\n',
    })
    expect((await run(['put', 'job', '1', 'x', '--file', 'y', '--url', url])).exit).toBe(2)
    expect(asked).toEqual([])
  })
})

describe('logfold list', () => {
  const lines = Array.from({ length: 5 }, (_, at) => `{"id":"${at}","value":${at}}\n`)

  it('streams the entries as lines, up to a limit', async () => {
    const { url, asked } = await fakeServer((_, response) => response.end(lines.join('')))
    expect(await run(['list', 'job', '--url', url, '--prefix', 'a&b'])).toEqual({ exit: 0, stdout: lines.join(''), stderr: '' })
    expect((await run(['list', 'job', '--url', url, '--limit', '2'])).stdout).toBe(lines.slice(0, 2).join(''))
    expect((await run(['list', 'job', '--url', url, '--limit', '0'])).stdout).toBe('')
    expect(asked.map(({ url: path, headers }) => [path, headers.accept]).slice(0, 2)).toEqual([
      ['/api/job?prefix=a%26b', 'application/x-ndjson'],
      ['/api/job', 'application/x-ndjson'],
    ])
  })

  it('that breaks off is an error, never a short list', async () => {
    const { url } = await fakeServer((_, response) => {
      response.write(lines[0], () => response.destroy())
    })
    expect(await run(['list', 'job', '--url', url])).toEqual({
      exit: 69,
      stdout: lines[0],
      stderr: `error: The list was cut off: ${url} cannot be reached: other side closed\nWhat was printed is not the whole list. Ask again.\n`,
    })
  })

  it('refuses a limit that is none', async () => {
    expect((await run(['list', 'job', '--limit', 'all', '--url', 'http://127.0.0.1:1'])).stderr).toBe(
      'error: --limit must be a whole number from 0 to 9007199254740991, and is "all"\n',
    )
  })
})
