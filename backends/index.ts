import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BackendModule } from '../src/model/backend-module.ts'
import { LogfoldError, messageOf } from '../src/model/errors.ts'

/** A kind's code, and the libraries it needs, are loaded when a config first names it. */
const loaders = {
  memory: async () => (await import('./memory/index.ts')).default,
  postgres: async () => (await import('./postgres/index.ts')).default,
  redis: async () => (await import('./redis/index.ts')).default,
  sqlite: async () => (await import('./sqlite/index.ts')).default,
} satisfies Record<string, () => Promise<BackendModule<unknown>>>

type BuiltInKind = keyof typeof loaders

/** Kinds that need no module of one's own, in alphabetical order. */
export const builtInKinds: readonly string[] = Object.keys(loaders).toSorted()

const isBuiltIn = (kind: string): kind is BuiltInKind => Object.hasOwn(loaders, kind)
const isPath = (kind: string): boolean => /^(\.\.?)?\//.test(kind)

/**
 * The module behind a config's `kind`: a built-in one's name, or the path of a module (`./`, `../` or `/` first), relative to `baseDir`, whose default
 * export is a `BackendModule`.
 * @throws config-invalid where there is no such kind, the module can't be loaded, or its default export isn't one.
 */
export async function loadBackend(kind: string, baseDir: string): Promise<BackendModule<unknown>> {
  if (isBuiltIn(kind)) return await loaders[kind]()
  if (isPath(kind)) return await loadModule(kind, resolve(baseDir, kind))
  throw new LogfoldError('config-invalid', `There is no backend kind ${JSON.stringify(kind)}`, {
    remedy: `Use one of ${builtInKinds.join(', ')}, or the path of a module of your own, as in ./my-backend.ts`,
  })
}

async function loadModule(kind: string, path: string): Promise<BackendModule<unknown>> {
  let exported: unknown
  try {
    const loaded: { default?: unknown } = await import(pathToFileURL(path).href)
    exported = loaded.default
  } catch (error) {
    throw new LogfoldError('config-invalid', `The backend module ${kind} cannot be loaded: ${messageOf(error)}`, {
      remedy: `Check that ${path} exists and runs by itself: node ${path}`,
      cause: error,
    })
  }
  const faults = moduleFaults(exported)
  if (faults.length === 0) return exported as BackendModule<unknown>
  throw new LogfoldError('config-invalid', `The default export of ${kind} is not a backend module: ${faults.join('; ')}`, {
    remedy: 'backends/README.md shows a complete module',
  })
}

function moduleFaults(exported: unknown): readonly string[] {
  if (!isObject(exported)) return [exported === undefined ? 'there is no default export' : 'it is not an object']
  const { kind, traits, config, shards, connect } = exported
  const standard = isObject(config) || typeof config === 'function' ? Reflect.get(config, '~standard') : undefined
  return [
    typeof kind === 'string' ? '' : '`kind` must be a string',
    isObject(traits) && typeof traits.durable === 'boolean' ? '' : '`traits.durable` must be true or false',
    isObject(traits) && (traits.order === 'always' || traits.order === 'requested') ? '' : "`traits.order` must be 'always' or 'requested'",
    isObject(standard) && typeof standard.validate === 'function'
      ? ''
      : '`config` must be a Standard Schema, as those of zod, valibot and arktype are',
    typeof shards === 'function' ? '' : '`shards` must be a function',
    typeof connect === 'function' ? '' : '`connect` must be a function',
  ].filter(fault => fault !== '')
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
