import type { BackendModule } from '../model/backend-module.ts'
import { isLogfoldError, messageOf } from '../model/errors.ts'
import { suggestion } from '../model/near.ts'
import type { BackendKinds } from './backend-kinds.ts'
import type { BackendConfig } from './config.ts'
import type { Faults } from './faults.ts'
import { toJsonSchemaIfZod } from './schema-nodes.ts'
import { isMap, type Tree, without } from './tree.ts'
import { validate } from './validate.ts'

/** Each section of `backends`, checked by its kind's own schema. What is at fault is told and left out. */
export async function readBackends(tree: Tree, kinds: BackendKinds, baseDir: string, faults: Faults): Promise<Map<string, BackendConfig>> {
  const read = new Map<string, BackendConfig>()
  const sections = tree.get(['backends'])
  if (!isMap(sections)) return read
  for (const [name, section] of Object.entries(sections)) {
    if (!isMap(section) || typeof section.kind !== 'string') continue
    const module = await loadModule(tree, name, section.kind, kinds, baseDir, faults)
    if (module === undefined) continue
    const base = ['backends', name]
    const result = await validate(module.config, { tree, base, schema: toJsonSchemaIfZod(module.config) }, faults, value =>
      isMap(value) ? without(value, 'kind') : value,
    )
    if (result !== undefined) read.set(name, { name, kind: section.kind, module, config: result.value })
  }
  return read
}

async function loadModule(
  tree: Tree,
  name: string,
  kind: string,
  kinds: BackendKinds,
  baseDir: string,
  faults: Faults,
): Promise<BackendModule<unknown> | undefined> {
  const path = ['backends', name, 'kind']
  const { builtInKinds } = kinds
  if (!builtInKinds.includes(kind)) {
    if (!/[./\\]/.test(kind)) {
      const hint = suggestion(kind, [...builtInKinds, './PATH-OF-A-MODULE.ts'])
      faults.add(tree.locationOf(path), path, `There is no kind of backend ${JSON.stringify(kind)}${hint}`)
      return undefined
    }
  }
  try {
    return await kinds.loadBackend(kind, baseDir)
  } catch (error) {
    const remedy = isLogfoldError(error) && error.remedy !== undefined ? `. ${error.remedy}` : ''
    faults.add(tree.locationOf(path), path, `${messageOf(error)}${remedy}`)
    return undefined
  }
}
