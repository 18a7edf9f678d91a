import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder that holds logfold's package.json, whether this runs as source or as a build. */
export const packageRoot = findRoot(import.meta.dirname)

export const { version: packageVersion } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('The package.json of logfold is missing')
  return findRoot(parent)
}
