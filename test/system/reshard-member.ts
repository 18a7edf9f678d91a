import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { ReshardVerb } from '../../src/model/reshard.ts'
import type { ViewStatus } from '../../src/model/view-status.ts'
import { owned } from './owned.ts'
import { LOGFOLD } from './running.ts'

/** Longer than anything takes that is waited for, on a busy machine. */
const PATIENCE_MS = 90_000
const LOOK_MS = 50
const SAID_CHARS_MAX = 200_000

const paths: Partial<Record<ReshardVerb, string>> = { create: 'reshard' }

export interface MemberOptions {
  readonly config: string
  readonly dataDir: string
  readonly role: 'all' | 'api' | 'worker'
  /** NAME or NAME:NTH, where it ends as by kill -9. */
  readonly failPoint?: string | undefined
}

/** What became of a verb: `accepted` and so on, or the code of a refusal with the checks that spoke against it. */
export interface Outcome {
  readonly outcome: string
  readonly checks: readonly string[]
}

/** logfold as a process of its own on view job, which may be stopped, woken and killed. */
export class Member {
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  #out = ''
  #err = ''

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#closed = once(child, 'close')
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#out += chunk.toString()
    })
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#err = (this.#err + chunk.toString()).slice(-SAID_CHARS_MAX)
    })
  }

  /** Settles once it has told its addresses, or ended. */
  static async start({ config, dataDir, role, failPoint }: MemberOptions): Promise<Member> {
    const args = [...LOGFOLD, 'start', '-c', config, '--data-dir', dataDir, '--role', role]
    const env = { ...process.env, ...(failPoint === undefined ? {} : { LOGFOLD_FAIL_POINT: failPoint }) }
    const member = new Member(owned(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env })))
    await member.#until('tells its addresses', () => !member.running || /\/admin\/views\n/.test(member.#out))
    return member
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  get url(): string {
    return this.#address('(?:app|api)')
  }

  get adminUrl(): string {
    return this.#address('admin')
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** SIGSTOP, SIGCONT: nothing is waited for. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Settles with the signal that ended it, or its exit code, once it is gone. */
  async ended(): Promise<NodeJS.Signals | number | null> {
    await this.#closed
    return this.#child.signalCode ?? this.#child.exitCode
  }

  async end(signal: NodeJS.Signals): Promise<NodeJS.Signals | number | null> {
    this.#child.kill(signal)
    return await this.ended()
  }

  async ready(): Promise<this> {
    await this.#until('is ready', async () => (await fetch(`${this.adminUrl}/readyz`)).ok)
    return this
  }

  async status(): Promise<ViewStatus> {
    const answer = await fetch(`${this.adminUrl}/admin/views/job`)
    if (!answer.ok) throw new Error(`GET /admin/views/job: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as ViewStatus
  }

  /** Settles once the status is so, with what it is then. */
  async sees(what: string, isSo: (status: ViewStatus) => boolean | Promise<boolean>): Promise<ViewStatus> {
    let last: ViewStatus | undefined
    await this.#until(what, async () => {
      last = await this.status()
      return await isSo(last)
    }).catch(error => {
      throw new Error(`${String(error)}\n${JSON.stringify(last, null, 1)}`)
    })
    if (last === undefined) throw new Error('No status was seen')
    return last
  }

  /** Settles once the generations are these, as in `1 previous, 2 serving`. */
  async seesGenerations(phases: string): Promise<ViewStatus> {
    return await this.sees(phases, status => phasesOf(status) === phases)
  }

  /** Settles once it has logged this, anywhere in a line. */
  async logged(text: string): Promise<void> {
    await this.#until(`logs ${text}`, () => this.#err.includes(text))
  }

  said(text: string): boolean {
    return this.#err.includes(text)
  }

  async order(verb: ReshardVerb, body: Readonly<Record<string, unknown>> = {}): Promise<Outcome> {
    const answer = await fetch(`${this.adminUrl}/admin/views/job/${paths[verb] ?? verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const told = (await answer.json()) as { outcome?: string; code?: string; errors?: readonly { pointer?: string; detail: string }[] }
    return { outcome: told.outcome ?? told.code ?? '', checks: (told.errors ?? []).map(({ pointer, detail }) => `${pointer}: ${detail}`) }
  }

  #address(name: string): string {
    return new RegExp(`^ +${name} +(http://[^/\\s]+)`, 'm').exec(this.#out)?.[1] ?? ''
  }

  async #until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (const endMs = performance.now() + PATIENCE_MS; !(await isSo()); await wait(LOOK_MS)) {
      if (!this.running) throw new Error(`It ended before this was so: ${what}: ${this.#err.slice(-4_000)}`)
      if (performance.now() > endMs) throw new Error(`Not yet so: ${what}: ${this.#err.slice(-4_000)}`)
    }
  }
}

export const phasesOf = ({ generations }: ViewStatus): string => generations.map(({ number, phase }) => `${number} ${phase}`).join(', ')
