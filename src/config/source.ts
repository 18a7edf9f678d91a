import { isUtf8 } from 'node:buffer'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { LogfoldError } from '../model/errors.ts'
import { fileProblem } from './file-problem.ts'
import { packageRoot } from './package-root.ts'

const FILE_BYTES_MAX = 1024 * 1024

export interface SourceOptions {
  /** `-c FILE`. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working directory, absolute. */
  readonly cwd: string
}

/** The config file that is used, and its text. */
export interface Source {
  /** Absolute. */
  readonly file: string
  /** As a person would name it: relative where it lies in the working directory. */
  readonly origin: string
  readonly baseDir: string
  readonly text: string
}

const builtInConfigFile = join(packageRoot, 'config', 'default.yaml')

/** `-c`, `LOGFOLD_CONFIG`, `./logfold.yaml`, else the one logfold brings along. @throws config-invalid where it can't be read. */
export function readSource({ file, env, cwd }: SourceOptions): Source {
  const named = file ?? (env.LOGFOLD_CONFIG || undefined)
  const local = join(cwd, 'logfold.yaml')
  const found = named === undefined ? (existsSync(local) ? local : builtInConfigFile) : resolve(cwd, named)
  const path = relative(cwd, found)
  const origin = path.startsWith('..') ? found : path
  return { file: found, origin, baseDir: dirname(found), text: read(found, origin) }
}

function read(file: string, origin: string): string {
  try {
    const bytes = readFileSync(file)
    if (bytes.length > FILE_BYTES_MAX) throw new Error(`it has ${bytes.length} bytes; at most ${FILE_BYTES_MAX} are allowed`)
    if (!isUtf8(bytes)) throw new Error('it is not valid UTF-8')
    return bytes.toString('utf8')
  } catch (error) {
    throw new LogfoldError('config-invalid', `The config cannot be read. ${fileProblem(origin, error)}`, {
      remedy: 'Name another with -c FILE, or write one: logfold init',
      cause: error,
    })
  }
}
