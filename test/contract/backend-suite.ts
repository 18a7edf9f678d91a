import type { BackendModule } from '../../src/model/backend-module.ts'
import { admin } from './backend/admin.ts'
import { applying } from './backend/applying.ts'
import { connecting } from './backend/connecting.ts'
import { dropping } from './backend/dropping.ts'
import { durability } from './backend/durability.ts'
import { edges } from './backend/edges.ts'
import { faults } from './backend/faults.ts'
import { listing } from './backend/listing.ts'
import { reading } from './backend/reading.ts'
import { scanning } from './backend/scanning.ts'
import { separation } from './backend/separation.ts'
import { serving } from './backend/serving.ts'
import { states } from './backend/states.ts'
import type { Store } from './backend/store.ts'
import type { TestRunner } from './runner.ts'

/**
 * The contract of a view backend as tests; published as `logfold/backend-suite`. For a backend of one's own:
 *
 *     import { describe, it } from 'node:test'
 *     backendSuite({ describe, it }, { module: myBackend, config: () => ({ url: process.env.MY_STORE_URL }) })
 */

export interface SuiteOptions {
  readonly module: BackendModule<unknown>
  /**
   * A config as it would stand in the config file, without `kind`; where the store has shards, give several. Called once a case, and each answer must lead to an empty store: another key prefix, schema or
   * server. Files in the data directory need nothing; each case has a directory of its own.
   */
  config(): unknown
  /** After each case, when the backend is closed: clears what `config` led to. */
  cleanUp?(store: Store): unknown
  /** Takes away everything a shard holds, as a flush or an empty server in its place does. Without it, the cases of a lost shard are left out. */
  lose?(store: Store, shard: string): unknown
  /** Keeps a shard from answering, until the returned function is called. Without it, the cases of a shard that is away are left out. */
  cutOff?(store: Store, shard: string): (() => unknown) | Promise<() => unknown>
}

export type { Store } from './backend/store.ts'
export type { TestRunner } from './runner.ts'

/** Defines the cases. Which of them is decided by the module's traits and by the options, never by its kind. */
export function backendSuite(runner: TestRunner, options: SuiteOptions): void {
  runner.describe(`the contract of a view backend: ${options.module.kind}`, () => {
    const sections = [states, applying, reading, listing, edges, separation, scanning, admin, dropping, serving, connecting, durability, faults]
    for (const section of sections) section(runner, options)
  })
}
