import type { BackendModule } from '../model/backend-module.ts'

/** The kinds of backends there are; given by the module that knows them. */
export interface BackendKinds {
  /** Kinds that need no module of one's own. */
  readonly builtInKinds: readonly string[]
  /** @throws config-invalid where there is no such kind, or the module at that path, relative to `baseDir`, is none. */
  loadBackend(kind: string, baseDir: string): Promise<BackendModule<unknown>>
}
