import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { ViewStatus } from '../../src/model/view-status.ts'
import { guard, release } from '../services/guardian.ts'
import { freePort } from '../services/ports.ts'

const LOGFOLD = join(import.meta.dirname, '../../src/bin.ts')
const READY_MS = 90_000

export interface ProductOptions {
  readonly name: string
  readonly role: 'api' | 'worker'
  readonly config: string
  readonly dataDir: string
  /** For what it says. */
  readonly logFolder: string
}

/** One logfold, started as a user would, on addresses that stay while its process comes and goes. */
export class Product {
  readonly name: string
  readonly role: 'api' | 'worker'
  readonly httpPort: number
  readonly adminPort: number
  readonly #options: ProductOptions
  #child: ChildProcess | undefined
  #gone: Promise<unknown> = Promise.resolve()
  #frozen = false

  private constructor(options: ProductOptions, httpPort: number, adminPort: number) {
    this.name = options.name
    this.role = options.role
    this.httpPort = httpPort
    this.adminPort = adminPort
    this.#options = options
  }

  static async plan(options: ProductOptions): Promise<Product> {
    return new Product(options, await freePort(), await freePort())
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Settles once the process is there, which need not answer yet. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already`)
    const { config, dataDir, role, logFolder } = this.#options
    const ports = ['--set', `http.port=${this.httpPort}`, '--set', `admin.port=${this.adminPort}`]
    const args = ['--max-semi-space-size=4', LOGFOLD, 'start', '-c', config, '--data-dir', dataDir, '--role', role, ...ports]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    await once(child, 'spawn')
    const { pid = 0 } = child
    const file = join(logFolder, `${this.name}.log`)
    // Pipes, and not the file itself: a limit on the size of its files shall not hit what it says.
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => appendFileSync(file, chunk))
    guard(pid)
    appendFileSync(file, `--- ${new Date().toISOString()} process ${pid}\n`)
    this.#child = child
    this.#frozen = false
    this.#gone = once(child, 'exit').then(([code, signal]) => {
      release(pid)
      appendFileSync(file, `--- ${new Date().toISOString()} process ${pid} ended with ${signal ?? code}\n`)
    })
  }

  async ready(): Promise<void> {
    const until = Date.now() + READY_MS
    for (let said = 'no answer'; Date.now() < until; await wait(50)) {
      if (!this.running) throw new Error(`${this.name} ended while it started`)
      try {
        const answer = await fetch(`http://127.0.0.1:${this.adminPort}/readyz?verbose`, { signal: AbortSignal.timeout(5_000) })
        said = await answer.text()
        if (answer.ok) return
      } catch {
      } finally {
        if (Date.now() >= until) process.stderr.write(`${this.name}: ${said}\n`)
      }
    }
    throw new Error(`${this.name} wasn't ready within ${READY_MS / 1_000} s`)
  }

  /** Settles once the process is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.running) return
    this.thaw()
    this.#child?.kill(signal)
    await this.#gone
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
    this.#frozen = true
  }

  thaw(): void {
    this.#child?.kill('SIGCONT')
    this.#frozen = false
  }

  /** What it tells of a view; undefined where it doesn't answer. */
  async status(view: string): Promise<ViewStatus | undefined> {
    if (!this.running || this.#frozen) return undefined
    try {
      const answer = await fetch(`http://127.0.0.1:${this.adminPort}/admin/views/${view}`, { signal: AbortSignal.timeout(5_000) })
      return answer.ok ? ((await answer.json()) as ViewStatus) : undefined
    } catch {
      return undefined
    }
  }
}
