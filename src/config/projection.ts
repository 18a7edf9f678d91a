import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { compileProjection } from '../projection/compile.ts'
import { SOURCE_BYTES_MAX } from '../projection/limits.ts'
import type { Faults } from './faults.ts'
import { fileProblem } from './file-problem.ts'
import type { Tree } from './tree.ts'

const EXTENSIONS = ['.ts', '.mts', '.js', '.mjs']

export interface ProjectionFile {
  readonly source: string
  /** As it is run. */
  readonly script: string
}

interface WithProjection {
  readonly name: string
  readonly raw: { readonly projection?: string | undefined }
}

/** Also runs its top level, as nothing else tells whether it can be used. */
export async function readProjection(
  tree: Tree,
  { name, raw }: WithProjection,
  baseDir: string,
  faults: Faults,
): Promise<ProjectionFile | undefined> {
  if (typeof raw.projection !== 'string' || raw.projection === '') return undefined
  const path = ['views', name, 'projection']
  const file = resolve(baseDir, raw.projection)
  const refuse = (detail: string): undefined => faults.add(tree.locationOf(path), path, detail) as undefined
  let source: string
  try {
    source = readSource(file)
  } catch (error) {
    return refuse(fileProblem(file, error))
  }
  const loaded = await compileProjection(source, name)
  if (loaded.kind === 'unusable') return refuse(`${file}${loaded.line === undefined ? '' : `:${loaded.line}`}: ${loaded.detail}`)
  return { source, script: loaded.script }
}

/** Without what an editor or a checkout on Windows adds: it means nothing in a script, and would make another definition of it. */
function readSource(file: string): string {
  if (!EXTENSIONS.includes(extname(file))) throw new Error(`It must be one of ${EXTENSIONS.join(', ')}`)
  const bytes = readFileSync(file)
  if (bytes.length > SOURCE_BYTES_MAX) throw new Error(`It has ${bytes.length} bytes; at most ${SOURCE_BYTES_MAX} are allowed`)
  if (!isUtf8(bytes)) throw new Error('It is not valid UTF-8')
  return bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .replaceAll('\r\n', '\n')
}
