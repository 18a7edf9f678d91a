import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BackendContext } from '../../../src/model/backend-module.ts'
import type { Generation, ViewFormat } from '../../../src/model/generation.ts'
import type { Logger } from '../../../src/model/logger.ts'
import type { ViewBackend } from '../../../src/model/view-backend.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'

/** A connected backend in one case, with what was needed to connect it. */
export class Store {
  /** As validated: what the module's schema made of `config()`. */
  readonly config: unknown
  readonly dataDir: string
  readonly #options: SuiteOptions
  #backend: ViewBackend

  constructor(options: SuiteOptions, config: unknown, dataDir: string, backend: ViewBackend) {
    this.#options = options
    this.config = config
    this.dataDir = dataDir
    this.#backend = backend
  }

  get backend(): ViewBackend {
    return this.#backend
  }

  get shards(): readonly string[] {
    return this.#backend.shards
  }

  /** Closes the backend and connects another with the same config: to these of its shards. */
  async reconnect(shards = this.#options.module.shards(this.config)): Promise<void> {
    await this.#backend.close()
    this.#backend = await this.#options.module.connect(this.config, contextOf(this.dataDir, shards))
  }
}

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }
const contextOf = (dataDir: string, shards: readonly string[]): BackendContext => ({ name: 'contract', dataDir, logger: quiet, shards })

/** Runs a case on a store of its own. */
async function withStore(options: SuiteOptions, work: (store: Store) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'logfold-backend-'))
  try {
    const checked = await options.module.config['~standard'].validate(options.config())
    assert.equal(checked.issues, undefined, 'the config that `config()` gives has faults')
    const config = (checked as { readonly value: unknown }).value
    const context = contextOf(dataDir, options.module.shards(config))
    const store = new Store(options, config, dataDir, await options.module.connect(config, context))
    try {
      await work(store)
    } finally {
      await store.backend.close()
      await options.cleanUp?.(store)
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** Defines a case that gets a store. */
export function storeCase(runner: TestRunner, options: SuiteOptions, name: string, work: (store: Store) => Promise<void>): void {
  runner.it(name, () => withStore(options, work))
}

interface GenerationOptions {
  readonly view?: string
  readonly number?: number
  readonly partitions?: number
  readonly format?: ViewFormat
  readonly ordered?: boolean
}

export function generationOf(options: GenerationOptions = {}): Generation {
  const { view = 'job', number = 1, partitions = 3, format = 'json', ordered = true } = options
  return {
    view,
    number,
    partitions,
    format,
    ordered,
    uid: `uid of ${view}@${number}`,
    logId: 'log',
    topicId: 'topic',
    definitionHash: 'definition',
  }
}
