import type { BackendKinds } from '../config/backend-kinds.ts'
import type { Config } from '../config/config.ts'
import type { ErrorCode } from '../model/errors.ts'

export type Role = 'all' | 'api' | 'worker'

export const roles: readonly Role[] = ['all', 'api', 'worker']

/** What `check` found of one server or file. */
export interface CheckResult {
  /** `log`, `backend local/main`. */
  readonly name: string
  readonly ok: boolean
  /** What was found, for people. */
  readonly detail: string
  /** What to do, where it isn't ok. */
  readonly remedy?: string | undefined
  /** Gives the exit code; without it: unreachable. */
  readonly code?: ErrorCode | undefined
}

export interface StartOptions {
  readonly role: Role
  /** The config as its file, and the same flags, say now. @throws config-invalid */
  readonly readAgain: () => Promise<Config>
}

/** What the commands need from the module that knows all parts of logfold. */
export interface Commands extends BackendKinds {
  /** Runs until it is told to stop. */
  start(config: Config, options: StartOptions): Promise<void>
  /** Asks everything the config names whether it is there and as it should be. */
  check(config: Config): Promise<readonly CheckResult[]>
}
