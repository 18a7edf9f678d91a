import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Another user's numbers, for programs that refuse to run as root. */
export interface User {
  readonly uid: number
  readonly gid: number
}

export interface RunOptions {
  readonly input?: string | Uint8Array
  readonly cwd?: string
  readonly timeoutMs?: number
  readonly user?: User | undefined
}

const TIMEOUT_MS = 60_000

/** Runs a program to its end, and gives what it wrote to stdout. Fails, with both outputs, where it isn't there, exits with another code than 0, or takes too long. */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { input = '', cwd, timeoutMs = TIMEOUT_MS, user } = options
  const child = spawn(program, args, { cwd, ...user, stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  // A program that ends without reading its input is judged by its exit code.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  const stdout = Buffer.concat(out).toString()
  if (code === 0) return stdout
  throw new Error(`${program} ${args.join(' ')} ended with ${signal ?? code}\n${stdout}${Buffer.concat(err).toString()}`)
}

export const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT'
