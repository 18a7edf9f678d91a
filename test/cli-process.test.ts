import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fakeServer } from './cli-world.ts'

const BIN = join(import.meta.dirname, '../src/bin.ts')

function start(args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = ''
  for await (const chunk of stream ?? []) text += String(chunk)
  return text
}

describe('the process', () => {
  it('prints, ends with the exit code, and warns of nothing', async () => {
    const { url } = await fakeServer((_, response) => response.end('{"a":1}'))
    const child = start(['get', 'job', '1', '--url', url])
    const [stdout, stderr, [exit]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'exit')])
    expect([exit, stdout, stderr]).toEqual([0, '{"a":1}', ''])
    const wrong = start(['gte'])
    expect(await once(wrong, 'exit')).toEqual([2, null])
  })

  it('ends well when nobody reads on, as with head', async () => {
    const lines = '{"id":"1","value":1}\n'.repeat(100_000)
    const { url } = await fakeServer((_, response) => response.end(lines))
    const child = start(['list', 'job', '--url', url])
    const stderr = textOf(child.stderr)
    child.stdout?.once('data', () => child.stdout?.destroy())
    expect([await once(child, 'exit'), await stderr]).toEqual([[0, null], ''])
  })

  const lines = '{"id":"1","value":1}\n'.repeat(1001)

  it('ends a load at Ctrl-C with what was acknowledged, also when it waits for lines', async () => {
    const { url } = await fakeServer((_, response) => response.end('{"id":"1","offset":"0:0"}\n'.repeat(1000)))
    const child = start(['load', 'job', '-', '--json', '--url', url])
    let stdout = ''
    child.stdout?.on('data', chunk => {
      stdout += chunk
      if (stdout === '{"acknowledged":1000}\n') child.kill('SIGINT')
    })
    child.stdin?.write(lines)
    expect(await once(child, 'close')).toEqual([130, null])
    expect(JSON.parse(stdout.split('\n')[1] ?? '')).toMatchObject({ loaded: 1000, last_acknowledged: 1000, complete: false })
  })

  it('ends a load that cannot go on, also when more lines may come', async () => {
    const { url } = await fakeServer((_, response) =>
      response.writeHead(404, { 'Content-Type': 'application/problem+json' }).end('{"code":"no-such-view","detail":"There is no view"}'),
    )
    const child = start(['load', 'job', '-', '--url', url])
    child.stdin?.write(lines)
    expect(await once(child, 'exit')).toEqual([1, null])
  })

  it('says which Node.js it needs where that is too old, before it loads anything', () => {
    // The oldest that reads the file: its version is what is made up.
    const script = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' }); await import(${JSON.stringify(BIN)})`
    const run = (): string => execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', stdio: 'pipe' })
    expect(run).toThrow(
      expect.objectContaining({
        status: 2,
        stdout: '',
        stderr: `error: logfold needs Node.js 24 or later, and this is 20.1.0 (${process.execPath})
Install a later one from https://nodejs.org, or use the one of your project: npm install node@latest
`,
      }),
    )
  })
})
