import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { guard, guardFolder, release } from './guardian.ts'
import type { User } from './run.ts'

export interface ServerOptions {
  /** Stands in errors. */
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly cwd?: string
  readonly user?: User | undefined
  /** SIGTERM, unless it means something else to this server. */
  readonly stopSignal?: NodeJS.Signals
  /** The server is a process with children, that all signals are meant for. */
  readonly withChildren?: boolean
  /** Where stdout and stderr are added. */
  readonly logFile: string
  /** Asks the server itself, as a client would. It is asked again until it is true; an error is a no. */
  readonly answers: () => Promise<boolean>
}

/** One server on the same data and address for good, while its process comes and goes. */
export interface ServerProcess {
  /** Of the process that runs, or ran last. */
  readonly pid: number
  readonly running: boolean
  /** Settles once the server answers; also after `kill` and `stop`. Fails with the end of its log. */
  start(): Promise<void>
  /** SIGKILL. Settles once the process is gone. */
  kill(): Promise<void>
  /** In order, as SIGTERM does. Settles once the process is gone; fails, and leaves it, after 60 s. */
  stop(): Promise<void>
  /** SIGSTOP: connections stay open, nothing is answered. */
  freeze(): void
  thaw(): void
  /** The end of what it wrote. */
  log(): string
}

/** On a machine that does much else. */
const START_MS = 90_000
const STOP_MS = 60_000
const ASK_AGAIN_MS = 50
const LOG_LINES = 30

export function serverProcess(options: ServerOptions): ServerProcess {
  const { name, program, args, cwd, user, logFile, answers, stopSignal = 'SIGTERM', withChildren = false } = options
  let child: ChildProcess | undefined
  let gone: Promise<unknown> = Promise.resolve()

  const running = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null
  const log = (): string => readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES).join('\n')
  const signal = (what: NodeJS.Signals): void => {
    if (!running()) throw new Error(`${name} isn't running`)
    const { pid = 0 } = child ?? {}
    for (const each of withChildren ? [pid, ...childrenOf(pid)] : [pid]) send(each, what)
  }

  async function spawned(): Promise<ChildProcess> {
    const output = openSync(logFile, 'a')
    try {
      const made = spawn(program, args, { cwd, ...user, stdio: ['ignore', output, output] })
      await once(made, 'spawn')
      return made
    } finally {
      closeSync(output)
    }
  }

  async function start(): Promise<void> {
    if (running()) throw new Error(`${name} runs already`)
    const made = await spawned()
    const { pid = 0 } = made
    child = made
    guard(pid)
    gone = once(made, 'exit').then(() => release(pid))
    const until = Date.now() + START_MS
    while (!(await answers().catch(() => false))) {
      if (!running()) throw new Error(`${name} ended with ${made.signalCode ?? made.exitCode} while it started:\n${log()}`)
      if (Date.now() > until) {
        await kill()
        throw new Error(`${name} didn't answer within ${START_MS / 1_000} s:\n${log()}`)
      }
      await sleep(ASK_AGAIN_MS)
    }
  }

  async function kill(): Promise<void> {
    if (running()) signal('SIGKILL')
    await gone
  }

  async function stop(): Promise<void> {
    if (!running()) return
    signal('SIGCONT')
    child?.kill(stopSignal)
    const late = sleep(STOP_MS, 'late', { ref: false })
    if ((await Promise.race([gone, late])) === 'late') throw new Error(`${name} didn't end within ${STOP_MS / 1_000} s of ${stopSignal}:\n${log()}`)
  }

  return {
    get pid() {
      return child?.pid ?? 0
    },
    get running() {
      return running()
    },
    start,
    kill,
    stop,
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    log,
  }
}

function childrenOf(pid: number): readonly number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const rows = table.split('\n').map(line => line.trim().split(/ +/).map(Number))
  return rows.flatMap(([child = 0, parent]) => (parent === pid ? [child] : []))
}

/** A process that has just ended needs no signal. */
function send(pid: number, what: NodeJS.Signals): void {
  try {
    process.kill(pid, what)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** A folder for servers' data, that goes when it is removed, or when this process ends. */
export function serverFolder(server: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `logfold-test-${server}-`))
  guardFolder(path)
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) }
}
