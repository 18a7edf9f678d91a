import type { BackendConfig } from './config/config.ts'
import { LogfoldError, messageOf } from './model/errors.ts'
import type { Logger } from './model/logger.ts'
import type { ViewBackend } from './model/view-backend.ts'

export interface StoresOptions {
  readonly backends: ReadonlyMap<string, BackendConfig>
  readonly dataDir: string
  readonly logger: Logger
}

/** A connected backend, for as long as somebody has it. */
interface Store {
  readonly name: string
  readonly connected: Promise<ViewBackend>
  backend: ViewBackend | undefined
  users: number
}

/** The backends of the config, each connected with the shards that a generation was made for, once for all that were made for the same ones. */
export class Stores {
  readonly #options: Omit<StoresOptions, 'backends'>
  /** By name and shards. */
  readonly #stores = new Map<string, Store>()
  #backends: ReadonlyMap<string, BackendConfig>

  constructor({ backends, ...options }: StoresOptions) {
    this.#backends = backends
    this.#options = options
  }

  /** Backend → the shards that the config has addresses for. */
  shards(): Readonly<Record<string, readonly string[]>> {
    return Object.fromEntries([...this.#backends].map(([name, { module, config }]) => [name, module.shards(config)]))
  }

  /** The config was read again. What is connected stays as it is. */
  reconfigure(backends: ReadonlyMap<string, BackendConfig>): void {
    this.#backends = backends
  }

  /**
   * @returns the backend, connected with exactly these shards, and the function that gives it back
   * @throws backend-unknown where the config lacks it, or one of them; view-unavailable where it can't be connected
   */
  async open(name: string, shards: readonly string[]): Promise<{ readonly backend: ViewBackend; close(): Promise<void> }> {
    const key = JSON.stringify([name, shards])
    const store = this.#stores.get(key) ?? this.#connect(name, shards)
    this.#stores.set(key, store)
    store.users++
    let given = true
    const close = async (): Promise<void> => {
      if (!given) return
      given = false
      store.users--
      if (store.users > 0) return
      this.#stores.delete(key)
      await store.backend?.close()
    }
    try {
      return { backend: await store.connected, close }
    } catch (error) {
      await close()
      throw error
    }
  }

  /** Those that are connected now. */
  all(): readonly { readonly name: string; readonly backend: ViewBackend }[] {
    return [...this.#stores.values()].flatMap(({ name, backend }) => (backend === undefined ? [] : [{ name, backend }]))
  }

  #connect(name: string, shards: readonly string[]): Store {
    const known = this.#backends.get(name)
    const addressed = known?.module.shards(known.config) ?? []
    const lacking = shards.filter(shard => !addressed.includes(shard))
    if (known === undefined || lacking.length > 0) throw unknown(name, known === undefined ? undefined : lacking)
    const { dataDir, logger } = this.#options
    const context = { name, dataDir, logger: logger.child({ backend: name }), shards }
    const store: Store = {
      name,
      users: 0,
      backend: undefined,
      connected: known.module.connect(known.config, context).then(
        backend => {
          store.backend = backend
          return backend
        },
        error => {
          throw new LogfoldError('view-unavailable', `The backend ${name} cannot be opened: ${messageOf(error)}`, { cause: error })
        },
      ),
    }
    return store
  }
}

/** @param lacking shards without an address; undefined: the config has no such backend */
function unknown(name: string, lacking: readonly string[] | undefined): LogfoldError {
  const what = lacking === undefined ? `backend ${name}` : `address for ${lacking.map(shard => `shard ${shard}`).join(', ')} of the backend ${name}`
  return new LogfoldError('backend-unknown', `The config has no ${what}, which a generation lives on`, {
    remedy: 'Put it back into the config of this process until that generation is gone; logfold reload takes it',
    retryAfterMs: 1_000,
  })
}
