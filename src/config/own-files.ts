import { realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { BackendConfig } from './config.ts'
import type { Faults } from './faults.ts'
import type { ParsedLog } from './schema.ts'
import type { Tree } from './tree.ts'

interface Parts {
  readonly tree: Tree
  readonly log: ParsedLog
  readonly dataDir: string
  readonly backends: ReadonlyMap<string, BackendConfig>
}

/**
 * Refuses a backend that would keep its data in the file of the log, or of another backend: each takes its file for its own, with its tables,
 * locks and thread.
 */
export function checkFiles({ tree, log, dataDir, backends }: Parts, faults: Faults): void {
  const owners = new Map<string, string>()
  if (log.kind !== 'kafka') owners.set(realPathOf(resolve(dataDir, log.path)), 'the log')
  for (const [name, { module, config }] of backends) {
    for (const [key, file] of Object.entries(module.files?.(config, dataDir) ?? {})) {
      const real = realPathOf(file)
      const other = owners.get(real)
      const path = ['backends', name, key]
      if (other === undefined) owners.set(real, `the backend ${name}`)
      else faults.add(tree.locationOf(path), path, `${file} is the file of ${other}. Choose another`)
    }
  }
}

/** However it is reached, by a link say; the file may be yet to be made, and so may folders on the way. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const folder = dirname(path)
    return folder === path ? path : join(realPathOf(folder), basename(path))
  }
}
