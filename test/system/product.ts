import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Running, runLogfold, temporaryFolder } from './running.ts'

/** What an operator meets of view job, wherever they look. */
export interface Met {
  /** Of `logfold status job`. */
  readonly state: string
  readonly problem: string | undefined
  readonly next: readonly string[]
  /** Its status, and the lines of what isn't well. */
  readonly readyz: string
  readonly get: Told
  readonly put: Told
}

/** A status, and of a problem also its code, detail and remedy. */
export type Told = string | { readonly answer: string; readonly detail: string; readonly remedy: string }

/** What is met of a view that was stopped. @param get of an entry: what is there is served, unless it is something else */
export const metStopped = (reason: string, remedy: string, get: Told): Met => ({
  state: 'stopped',
  problem: reason,
  next: [remedy],
  readyz: `503 [-] view job is folded: ${reason}`,
  get,
  put: { answer: '503 view-stopped', detail: reason, remedy },
})

/** As `metStopped`, where what stands in the store isn't the view. */
export const metForeign = (reason: string, remedy: string): Met => ({
  ...metStopped(reason, remedy, { answer: '503 view-stopped', detail: reason, remedy }),
  readyz: `503 [-] view job serves: ${reason} [-] view job is folded: ${reason}`,
})

/** @param next what may be done */
export const metWell = (get: Told, next: readonly string[] = []): Met => ({
  state: 'serving',
  problem: undefined,
  next,
  readyz: '200',
  get,
  put: '200',
})

/** The processes of one test, one after another on one data folder. */
export class Products implements AsyncDisposable {
  #args: readonly string[]
  #config: object = {}
  readonly #folder = temporaryFolder()
  readonly #started: Product[] = []

  constructor(args: readonly string[]) {
    this.#args = args
  }

  get dataDir(): string {
    return this.#folder.path
  }

  /** Writes these sections of the config over those that it had, into a file that all of them read. */
  configure(sections: object): void {
    const path = join(this.dataDir, 'logfold.yaml')
    if (!existsSync(path)) this.#args = ['-c', path, ...this.#args]
    this.#config = { ...this.#config, ...sections }
    writeFileSync(path, JSON.stringify(this.#config))
  }

  async start(...args: readonly string[]): Promise<Product> {
    const product = await new Product({ dataDir: this.dataDir, args: [...this.#args, ...args] }).listens()
    this.#started.push(product)
    return product
  }

  /** Starts it once more, ends it with SIGTERM and settles with what `use` gave. */
  async during<T>(args: readonly string[], use: (product: Product) => Promise<T>): Promise<T> {
    const product = await this.start(...args)
    const given = await use(product)
    await product.end('SIGTERM')
    return given
  }

  /** What `logfold check` says of these arguments: its exit code, and the lines that failed, without their names. */
  async check(...args: readonly string[]): Promise<readonly [exitCode: number, failed: readonly string[]]> {
    const { exitCode, stdout } = await runLogfold(['check', '--data-dir', this.dataDir, ...this.#args, ...args])
    return [exitCode, stdout.split('\n').filter(line => line.startsWith('FAILED'))]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const product of this.#started) await product.end('SIGKILL')
    this.#folder.remove()
  }
}

/** logfold as a process on view job, as an operator meets it. */
export class Product extends Running {
  /** Settles once the worker has stopped the view, with what it logged of that. */
  async stopped(): Promise<Readonly<Record<string, unknown>>> {
    const { code, reason, remedy } = await this.logged('The view was stopped for safety')
    return { code, reason, remedy }
  }

  /** @param id of an entry that is there, if any is */
  async meets(id = 'one'): Promise<Met> {
    const { stdout } = await runLogfold(['status', 'job', '--admin', this.adminUrl])
    const fact = (name: string): string | undefined => new RegExp(`^ +${name} +(.*)$`, 'm').exec(stdout)?.[1]?.trim()
    const steps = stdout.split('\nNext\n')[1] ?? ''
    const readyz = await fetch(`${this.adminUrl}/readyz?verbose`)
    const unwell = (await readyz.text()).split('\n').filter(line => line.startsWith('[-]') || line.includes('but for'))
    return {
      state: fact('state') ?? '',
      problem: fact('problem'),
      next: steps.split('\n').flatMap(line => (line.trim() === '' ? [] : [line.trim()])),
      readyz: [readyz.status, ...unwell].join(' '),
      get: await this.get(id),
      put: await this.put('new', 1),
    }
  }

  /** Runs each command that a text names, in the order of the text. */
  async run(text = ''): Promise<void> {
    for (const [command] of text.matchAll(/logfold (?:reload|rebuild job|reshard (?:switch|complete) job|reshard create job --to \w+)/g)) {
      // Nobody is there to be asked.
      const yes = /(?:switch|complete)/.test(command) ? ['--yes'] : []
      const { exitCode, stdout, stderr } = await runLogfold([...command.split(' ').slice(1), ...yes, '--admin', this.adminUrl])
      if (exitCode !== 0) throw new Error(`${command}: ${exitCode} ${stdout} ${stderr}`)
    }
  }

  /** Runs the commands of a remedy, then what the status names as next, until one generation is left. Settles with its number. */
  async follow(remedy = ''): Promise<number | null> {
    await this.run(remedy)
    const next = /(?:is verified: switch to it with (logfold reshard switch job)|is still fed: take it away with (logfold reshard complete job))/
    await this.until('has one generation, which serves', async () => {
      const { generations, next_steps } = await this.status()
      const [, ...commands] = next.exec(next_steps.join('\n')) ?? []
      await this.run(commands.join(' '))
      return generations.length === 1 && generations[0]?.phase === 'serving'
    })
    return (await this.ready()).status().then(({ generation }) => generation)
  }

  get(id: string): Promise<Told> {
    return tell(fetch(`${this.url}/api/job/${id}`))
  }

  put(id: string, value: unknown): Promise<Told> {
    const headers = { 'content-type': 'application/json' }
    return tell(fetch(`${this.url}/api/job/${id}`, { method: 'PUT', headers, body: JSON.stringify(value) }))
  }

  delete(id: string): Promise<Told> {
    return tell(fetch(`${this.url}/api/job/${id}`, { method: 'DELETE' }))
  }
}

async function tell(asked: Promise<Response>): Promise<Told> {
  const response = await asked
  const body: unknown = await response.json()
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) {
    return response.ok && response.headers.has('etag') ? `${response.status} ${JSON.stringify(body)}` : String(response.status)
  }
  const { code, detail, remedy } = body as Readonly<Record<'code' | 'detail' | 'remedy', string>>
  return { answer: `${response.status} ${code}`, detail, remedy }
}
