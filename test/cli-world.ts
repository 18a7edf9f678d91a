import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable, Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { Commands } from '../src/cli/commands.ts'
import type { Io } from '../src/cli/io.ts'
import { runCli } from '../src/cli/program.ts'
import { temporaryFolder, testKinds } from './config-world.ts'

export interface RunOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
  readonly stdin?: string
  /** Stdin is a terminal. */
  readonly isTerminal?: boolean
  readonly commands?: Partial<Commands>
  /** Called with all of stderr so far, whenever something is written to it. */
  readonly onStderr?: (text: string) => void
  /** Gets the function that is Ctrl-C. */
  readonly onInterruptible?: (interrupt: () => void) => void
}

export interface Ran {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command line in this process, in a folder of its own. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [stdout, stderr] = [new Collected(), new Collected(options.onStderr)]
  const io: Io = {
    env: options.env ?? {},
    cwd: options.cwd ?? temporaryFolder(),
    stdin: Object.assign(Readable.from([Buffer.from(options.stdin ?? '')]), { isTTY: options.isTerminal === true }),
    stdout,
    stderr,
    onInterrupt(listener) {
      options.onInterruptible?.(listener)
      return () => undefined
    },
  }
  const commands: Commands = { ...testKinds, start: async () => undefined, check: async () => [], ...options.commands }
  const exit = await runCli(['node', 'logfold', ...args], commands, io)
  return { exit, stdout: stdout.text, stderr: stderr.text }
}

class Collected extends Writable {
  text = ''
  readonly #onText: (text: string) => void

  constructor(onText: (text: string) => void = () => undefined) {
    super()
    this.#onText = onText
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    this.#onText(this.text)
    done()
  }
}

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface FakeServer {
  readonly url: string
  readonly asked: readonly Asked[]
}

export type Answer = (asked: Asked, response: ServerResponse) => void

/** A server that answers as it is told, for the length of a test. */
export async function fakeServer(answer: Answer, port = 0): Promise<FakeServer> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') }
    asked.push(one)
    answer(one, response)
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(JSON.stringify(value))
}

export function sendProblem(response: ServerResponse, code: string, detail: string, more: Record<string, unknown> = {}, status = 400): void {
  response.writeHead(status, { 'Content-Type': 'application/problem+json' })
  response.end(JSON.stringify({ type: `urn:logfold:problem:${code}`, code, detail, ...more }))
}

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
