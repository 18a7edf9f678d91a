import type { ConfigSchema } from './config-schema.ts'
import type { Logger } from './logger.ts'
import type { ViewBackend } from './view-backend.ts'

/** What the contract suite chooses its cases by. Never by a backend's name. */
export interface BackendTraits {
  /** Data outlives `close`: a second `connect` with the same config finds it. */
  readonly durable: boolean
  /** `always`: every list is in key order and takes a prefix. `requested`: only where the generation is ordered. */
  readonly order: 'always' | 'requested'
}

/** What a backend gets beside its config. */
export interface BackendContext {
  /** The backend's name in the config file. */
  readonly name: string
  /** Data files go here; a relative path in the backend's config starts here. */
  readonly dataDir: string
  /** For what an operator should know (a lost connection, say). */
  readonly logger: Logger
  /**
   * The shards to connect, and no others: all of what the module's `shards` gives for the config, or some of them. A generation is read and folded
   * with exactly the shards that it was made for, whatever the config has beside them by now.
   */
  readonly shards: readonly string[]
}

/** What a backend's module exports as its default. In the config file, `kind` names a built-in one or is the path of a module. */
export interface BackendModule<Config> {
  readonly kind: string
  readonly traits: BackendTraits
  /** Of the backend's section, without `kind`. */
  readonly config: ConfigSchema<Config>
  /** Names of the shards that a config has addresses for, in their order. Pure. */
  shards(config: Config): readonly string[]
  /**
   * The files on this machine that its data are kept in, absolute, by the key of the section that names each; left out where there are none.
   * A config in which two would share a file is refused. Pure.
   */
  files?(config: Config, dataDir: string): Readonly<Record<string, string>>
  /** Opens connections, lazily where that is possible: a store that is away at start must not keep the process from starting. */
  connect(config: Config, context: BackendContext): Promise<ViewBackend>
}
