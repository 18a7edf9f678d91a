import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ViewStatus } from '../../src/model/view-status.ts'
import { guard, release } from '../services/guardian.ts'
import { freePort } from '../services/ports.ts'
import { LOGFOLD, Running } from '../system/running.ts'

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
  #process: Running | undefined
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
    return this.#process?.pid ?? 0
  }

  get running(): boolean {
    return this.#process?.alive === true
  }

  get frozen(): boolean {
    return this.#frozen
  }

  /** Settles once the process is there, which need not answer yet. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} runs already`)
    const { config, dataDir, role, logFolder } = this.#options
    const file = join(logFolder, `${this.name}.log`)
    const told = (what: string): void => appendFileSync(file, `--- ${new Date().toISOString()} process ${pid} ${what}\n`)
    const started = new Running({
      dataDir,
      command: ['--max-semi-space-size=4', ...LOGFOLD],
      args: ['-c', config, '--role', role, '--set', `http.port=${this.httpPort}`, '--set', `admin.port=${this.adminPort}`],
      // Pipes, and not the file itself: a limit on the size of its files shall not hit what it says.
      said: chunk => appendFileSync(file, chunk),
    })
    const { pid } = started
    guard(pid)
    told('started')
    this.#process = started
    this.#frozen = false
    this.#gone = started.ended.then(({ code, signal }) => {
      release(pid)
      told(`ended with ${signal ?? code}`)
    })
  }

  async ready(): Promise<void> {
    await this.#process?.ready().catch(cause => {
      throw new Error(`${this.name} isn't ready`, { cause })
    })
  }

  /** Settles once the process is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (!this.running) return
    this.thaw()
    this.#process?.signal(signal)
    await this.#gone
  }

  freeze(): void {
    this.#process?.signal('SIGSTOP')
    this.#frozen = true
  }

  thaw(): void {
    this.#process?.signal('SIGCONT')
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
