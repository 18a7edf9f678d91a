import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { owned } from './owned.ts'

/** The command as it stands in a clone. */
export const LOGFOLD = [join(import.meta.dirname, '../../src/bin.ts')]

/** Builds what is published, and gives the command as a shell runs it: with the flags of its first line. */
export function builtLogfold(): readonly string[] {
  const root = join(import.meta.dirname, '../..')
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root })
  const file = join(root, 'dist/src/bin.js')
  const flags = /^#!\/usr\/bin\/env -S node (.*)$/m.exec(readFileSync(file, 'utf8'))?.[1]
  return [...(flags?.split(' ') ?? []), file]
}

export interface Running {
  readonly url: string
  readonly adminUrl: string
  readonly pid: number
  /** Settles with what ended the process, by itself or otherwise. */
  readonly ended: Promise<Ended>
  /** Settles once the process is gone, with what ended it. */
  end(signal: NodeJS.Signals): Promise<Ended>
}

interface Ended {
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
}

/** A folder of the test's own, and the function that removes it. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'logfold-system-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Starts logfold on free ports, as a process of its own, and settles once it is ready. What it says on stderr is in the failure, if it ends before. */
export async function startLogfold(options: StartOptions): Promise<Running> {
  const { dataDir, args = [], command = LOGFOLD, cwd = process.cwd(), env = {} } = options
  const flags = ['start', '--data-dir', dataDir, '--set', 'http.port=0', '--set', 'admin.port=0', ...args]
  const child = owned(spawn(process.execPath, [...command, ...flags], { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }))
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    said.err = (said.err + chunk.toString()).slice(-20_000)
  })
  const ended = once(child, 'exit').then(() => ({ code: child.exitCode, signal: child.signalCode }))
  const address = (name: string): string | undefined => new RegExp(`^ +${name} +(http://[^/\\s]+)`, 'm').exec(said.out)?.[1]
  await vi.waitFor(
    async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`logfold ended: ${said.err}`)
      const response = await fetch(`${address('admin')}/readyz?verbose`)
      if (!response.ok) throw new Error(`not ready: ${await response.text()} ${said.err}`)
    },
    { timeout: 60_000, interval: 20 },
  )
  const end: Running['end'] = async signal => {
    child.kill(signal)
    return await ended
  }
  return { url: address('(?:app|api)') ?? '', adminUrl: address('admin') ?? '', pid: pidOf(child), ended, end }
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('The process did not start')
  return child.pid
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
