import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { owned } from './owned.ts'
import { LOGFOLD } from './running.ts'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** From the signal that ended it, or else from its start. Milliseconds. */
  readonly tookMs: number
}

export interface ProcessOptions {
  readonly bootstrap: string
  readonly dataDir: string
  readonly role: 'api' | 'worker' | 'all'
  readonly args?: readonly string[]
}

/** logfold on Kafka and SQLite, as a process of its own, which need not be ready. */
export class KafkaProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #listeners = new Set<() => void>()
  #sinceMs = performance.now()
  #out = ''
  #err = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#ended = once(child, 'close')
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#out += chunk.toString()
      this.#changed()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#err += chunk.toString()
      this.#changed()
    })
    child.once('close', () => this.#changed())
  }

  static start({ bootstrap, dataDir, role, args = [] }: ProcessOptions): KafkaProcess {
    const config = ['-c', 'config/kafka-sqlite.yaml', '--set', `log.brokers=${bootstrap}`, '--set', 'http.port=0', '--set', 'admin.port=0']
    const all = [...LOGFOLD, 'start', ...config, '--data-dir', dataDir, '--role', role, ...args]
    return new KafkaProcess(owned(spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] })))
  }

  get url(): string {
    return this.#address('(?:app|api)')
  }

  get adminUrl(): string {
    return this.#address('admin')
  }

  get stderr(): string {
    return this.#err
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Settles once stderr has it. */
  async said(what: string): Promise<void> {
    await this.#until(() => this.#err.includes(what))
  }

  /** Settles once it has told its addresses. */
  async listens(): Promise<void> {
    await this.#until(() => /\/admin\/views\n/.test(this.#out))
  }

  async ready(): Promise<void> {
    await this.listens()
    for (;;) {
      const answer = await fetch(`${this.adminUrl}/readyz`)
      await answer.text()
      if (answer.ok) return
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Settles once the process is gone. */
  async end(signal: NodeJS.Signals): Promise<Ended> {
    this.#sinceMs = performance.now()
    this.#child.kill(signal)
    return this.ended()
  }

  async ended(): Promise<Ended> {
    await this.#ended
    const { exitCode, signalCode } = this.#child
    return { code: exitCode, signal: signalCode, tookMs: performance.now() - this.#sinceMs }
  }

  #address(name: string): string {
    return new RegExp(`^ +${name} +(http://[^/\\s]+)`, 'm').exec(this.#out)?.[1] ?? ''
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (!this.running) throw new Error(`logfold ended: ${this.#err}`)
      await new Promise<void>(resolve => {
        const listener = (): void => {
          this.#listeners.delete(listener)
          resolve()
        }
        this.#listeners.add(listener)
      })
    }
  }
}

/** What a write was answered. */
export interface Answer {
  readonly status: number
  /** Of a problem. */
  readonly code: string | undefined
  /** `partition:offset` of an acknowledged one. */
  readonly place: string | undefined
  readonly retryAfter: string | null
  readonly tookMs: number
}

export async function put(url: string, view: string, id: string, value: unknown): Promise<Answer> {
  const startedMs = performance.now()
  const response = await fetch(`${url}/api/${view}/${id}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(value),
  })
  const { code } = (await response.json()) as { code?: string }
  const { headers, status } = response
  const tookMs = performance.now() - startedMs
  return { status, code, place: headers.get('logfold-offset') ?? undefined, retryAfter: headers.get('retry-after'), tookMs }
}
