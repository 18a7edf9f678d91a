import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { ViewStatus } from '../../src/model/view-status.ts'
import { owned } from './owned.ts'

/** The command as it stands in a clone. */
export const LOGFOLD = [join(import.meta.dirname, '../../src/bin.ts')]

/** Longer than anything takes that is waited for, on a busy machine. */
const PATIENCE_MS = 90_000
const LOOK_MS = 20
const ANSWER_MS = 5_000
/** Of stderr, so much is kept at least; and so much is in a failure. */
const SAID_CHARS = 1_000_000
const TOLD_CHARS = 4_000

/** Builds what is published, and gives the command as a shell runs it: with the flags of its first line. */
export function builtLogfold(): readonly string[] {
  const root = join(import.meta.dirname, '../..')
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root })
  const file = join(root, 'dist/src/bin.js')
  const flags = /^#!\/usr\/bin\/env -S node (.*)$/m.exec(readFileSync(file, 'utf8'))?.[1]
  return [...(flags?.split(' ') ?? []), file]
}

/** What ended a process. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StartOptions {
  readonly dataDir: string
  readonly args?: readonly string[]
  /** What runs as `logfold`, when it isn't the clone's source. */
  readonly command?: readonly string[]
  readonly cwd?: string
  /** In addition to the test's own. */
  readonly env?: Readonly<Record<string, string>>
  /** Gets what it says, as it comes. */
  readonly said?: (chunk: Buffer) => void
}

type Line = Readonly<Record<string, unknown>>

/** logfold as a process of its own, on free ports unless its arguments name others. It need not become ready. */
export class Running {
  /** Settles with what ended the process, by itself or otherwise. */
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  #out = ''
  #err = ''

  constructor({ dataDir, args = [], command = LOGFOLD, cwd = process.cwd(), env = {}, said }: StartOptions) {
    const all = [...command, 'start', '--data-dir', dataDir, '--set', 'http.port=0', '--set', 'admin.port=0', ...args]
    const child = owned(spawn(process.execPath, all, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
    this.#child = child
    this.ended = once(child, 'close').then(() => ({ code: child.exitCode, signal: child.signalCode }))
    child.stdout.on('data', (chunk: Buffer) => {
      this.#out += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      this.#err += chunk.toString()
      if (this.#err.length > 2 * SAID_CHARS) this.#err = this.#err.slice(-SAID_CHARS)
    })
    if (said !== undefined) for (const stream of [child.stdout, child.stderr]) stream.on('data', said)
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('The process did not start')
    return this.#child.pid
  }

  /** Empty until it listens. */
  get url(): string {
    return this.#address('(?:app|api)')
  }

  /** Empty until it listens. */
  get adminUrl(): string {
    return this.#address('admin')
  }

  /** The last of what it said there. */
  get stderr(): string {
    return this.#err
  }

  /** Settles, with itself, once it has told its addresses. */
  async listens(): Promise<this> {
    await this.until('tells its addresses', () => /\/admin\/views\n/.test(this.#out))
    return this
  }

  /** Settles with itself. */
  async ready(): Promise<this> {
    await this.listens()
    await this.until('is ready', async () => {
      // One that is stopped takes the connection, and never answers.
      const answer = await fetch(`${this.adminUrl}/readyz?verbose`, { signal: AbortSignal.timeout(ANSWER_MS) }).catch(String)
      return typeof answer === 'string' ? answer : answer.ok || (await answer.text())
    })
    return this
  }

  /** Whether a line that it logged has this anywhere. */
  has(text: string): boolean {
    return this.#lines(text).length > 0
  }

  /** Settles with the first line that has this anywhere, and is about this shard. */
  async logged(text: string, shard?: string): Promise<Line> {
    const find = (): Line | undefined => this.#lines(text).find(line => shard === undefined || line.shard === shard)
    await this.until(`logs ${text}`, () => find() !== undefined)
    return find() ?? {}
  }

  async status(): Promise<ViewStatus> {
    const answer = await fetch(`${this.adminUrl}/admin/views/job`)
    if (!answer.ok) throw new Error(`GET /admin/views/job: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as ViewStatus
  }

  /** SIGSTOP, SIGCONT: nothing is waited for. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Settles once the process is gone, with what ended it. */
  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.signal(signal)
    return await this.ended
  }

  /** Settles once it is so. @param isSo a text says what it is instead */
  async until(what: string, isSo: () => boolean | string | Promise<boolean | string>): Promise<void> {
    for (const endMs = performance.now() + PATIENCE_MS; ; await wait(LOOK_MS)) {
      const so = await isSo()
      if (so === true) return
      const told = (): string => `${what}: ${so || ''} ${this.#err.slice(-TOLD_CHARS)}`
      if (!this.alive) {
        // Its last words may be on the way; and whoever waits for its end, too, is to know of that first.
        await this.ended
        throw new Error(`logfold ended before it ${told()}`)
      }
      if (performance.now() > endMs) throw new Error(`It is not so yet that logfold ${told()}`)
    }
  }

  #lines(text: string): readonly Line[] {
    const lines = this.#err.split('\n').filter(line => line.includes(text) && line.startsWith('{') && line.endsWith('}'))
    return lines.map(line => JSON.parse(line) as Line)
  }

  #address(name: string): string {
    return new RegExp(`^ +${name} +(http://[^/\\s]+)`, 'm').exec(this.#out)?.[1] ?? ''
  }
}

/** Starts logfold on free ports, as a process of its own, and settles once it is ready. What it says on stderr is in the failure, if it ends before. */
export const startLogfold = (options: StartOptions): Promise<Running> => new Running(options).ready()

/** A folder of the test's own, and the function that removes it. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'logfold-system-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

export interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a logfold command to its end. */
export async function runLogfold(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const child = owned(spawn(process.execPath, [...LOGFOLD, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } }))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  await once(child, 'close')
  return { exitCode: child.exitCode ?? -1, stdout, stderr }
}

/** The same, as a client of a process. */
export const askLogfold = ({ adminUrl, url }: Running, args: readonly string[]): Promise<Ran> =>
  runLogfold(args, { LOGFOLD_ADMIN_URL: adminUrl, LOGFOLD_URL: url })

/** Every entry of a view as REST lists it: the line's text, so that not a byte is lost in between. */
export async function entriesOf(url: string, view: string): Promise<Map<string, string>> {
  const response = await fetch(`${url}/api/${view}`, { headers: { accept: 'application/x-ndjson' } })
  if (!response.ok || response.body === null) throw new Error(`GET /api/${view}: ${response.status} ${await response.text()}`)
  const entries = new Map<string, string>()
  for (const line of (await response.text()).split('\n')) {
    if (line === '') continue
    const { id, value } = JSON.parse(line) as { id: string; value: unknown }
    entries.set(id, JSON.stringify(value))
  }
  return entries
}

/** As `entriesOf`, but each value as it was written: the bytes between the head of its line and the tail, which hold no line feeds. */
export async function writtenEntriesOf(url: string, view: string): Promise<Map<string, string>> {
  const response = await fetch(`${url}/api/${view}`, { headers: { accept: 'application/x-ndjson' } })
  if (!response.ok) throw new Error(`GET /api/${view}: ${response.status} ${await response.text()}`)
  const lines = (await response.text()).split('\n').slice(0, -1)
  return new Map(
    lines.map(line => {
      const { id } = JSON.parse(line) as { id: string }
      const head = `{"id":${JSON.stringify(id)},"value":`
      if (!line.startsWith(head)) throw new Error(`A line begins otherwise: ${line}`)
      return [id, line.slice(head.length, -'}'.length)]
    }),
  )
}
