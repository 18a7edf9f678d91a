import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { messageOf } from '../model/errors.ts'
import { fileProblem } from './file-problem.ts'

const FILE_BYTES_MAX = 64 * 1024

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths start: the folder of the config file. */
  readonly baseDir: string
}

interface Interpolation {
  readonly text: string
  /** The whole text was one `${…}`. */
  readonly whole: boolean
  /** What of it came out of files. */
  readonly secrets: readonly string[]
  readonly faults: readonly string[]
}

/** What may be written, for people. */
export const FORMS = `\${VAR}, \${VAR:-default} and \${file:PATH}`

/** `$${` or `${…}`; a `${` that isn't closed is matched too, to be told. */
const EXPRESSION = /\$\$\{|\$\{([^}]*)(\}?)/g
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/**
 * Puts values in place of `${VAR}`, `${VAR:-default}` (where it is unset or empty) and `${file:PATH}` (without the last line end). `$${` stands for
 * `${`. What can't be replaced stays, and is told in `faults`.
 */
export function interpolate(source: string, surroundings: Surroundings): Interpolation {
  const secrets: string[] = []
  const faults: string[] = []
  const text = source.replace(EXPRESSION, (found, expression: string | undefined, close: string | undefined) => {
    if (expression === undefined) return '${'
    try {
      if (close === '') throw new Error(`It has no closing brace. Write $$\{ for a literal \${`)
      if (!expression.startsWith('file:')) return variable(expression, surroundings)
      const content = file(expression.slice('file:'.length), surroundings)
      secrets.push(content)
      return content
    } catch (error) {
      faults.push(`${found}: ${messageOf(error)}`)
      return found
    }
  })
  return { text, whole: /^\$\{[^}]*\}$/.test(source), secrets, faults }
}

function variable(expression: string, { env }: Surroundings): string {
  const match = VARIABLE.exec(expression)
  if (match === null) throw new Error(`It is none of ${FORMS}. Write $$\{ for a literal \${`)
  const [, name = '', fallback] = match
  if (fallback?.includes('${')) throw new Error('A default cannot hold another expression')
  const value = env[name]
  if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
  if (value === undefined) throw new Error(`The environment has no ${name}. Set it, or write \${${name}:-default}`)
  return value
}

function file(path: string, { baseDir }: Surroundings): string {
  const found = resolve(baseDir, path)
  try {
    const { size } = statSync(found)
    if (size > FILE_BYTES_MAX) throw new Error(`It has ${size} bytes; at most ${FILE_BYTES_MAX} are allowed`)
    return readFileSync(found, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new Error(fileProblem(found, error), { cause: error })
  }
}
