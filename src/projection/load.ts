import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { messageOf } from '../model/errors.ts'
import type { Loaded } from './messages.ts'

/** In a projection's thread: makes a function of its source. */

export type ProjectionFunction = (value: unknown, key: string) => unknown

interface Source {
  readonly source: string
  readonly language: 'typescript' | 'javascript'
  readonly name: string
}

const scheme = 'projection:'

/** Once a thread. A module that it imports, other than Node's own, isn't found, now or later. */
export async function loadProjection({
  source,
  language,
  name,
}: Source): Promise<
  { readonly loaded: Loaded & { readonly kind: 'loaded' }; readonly project: ProjectionFunction } | (Loaded & { readonly kind: 'unusable' })
> {
  const url = scheme + name
  try {
    const script = language === 'typescript' ? stripTypeScriptTypes(source) : source
    serveModule(url, script)
    const { default: project } = (await import(url)) as { readonly default?: unknown }
    const detail = unfit(project)
    if (detail !== undefined) return { kind: 'unusable', detail, line: undefined }
    return { loaded: { kind: 'loaded', script }, project: project as ProjectionFunction }
  } catch (error) {
    if (error instanceof ForeignImport) return { kind: 'unusable', detail: error.message, line: lineOfImport(source, error.specifier) }
    return { kind: 'unusable', detail: firstLine(messageOf(error)), line: lineOf(error, url) }
  }
}

class ForeignImport extends Error {
  readonly specifier: string

  constructor(specifier: string) {
    super(`It imports ${specifier}; a projection may import types (import type …) and Node's own modules (node:…) alone`)
    this.specifier = specifier
  }
}

function serveModule(url: string, source: string): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === url) return { url, format: 'module', shortCircuit: true }
      if (context.parentURL !== url) return next(specifier, context)
      if (specifier.startsWith('node:')) return next(specifier, context)
      throw new ForeignImport(specifier)
    },
    load: (asked, context, next) => (asked === url ? { format: 'module', source, shortCircuit: true } : next(asked, context)),
  })
}

function unfit(project: unknown): string | undefined {
  if (typeof project !== 'function') return 'It has no function as its default export: export default (value, key) => …'
  const kind = Object.prototype.toString.call(project).slice('[object '.length, -1)
  if (kind !== 'Function') return `Its default export is of the kind ${kind}; the function must return its result at once`
  if (/^class\b/.test(Function.prototype.toString.call(project))) return 'Its default export is a class, and must be a function'
  return undefined
}

/** Where it was thrown, of the projection's own lines. The types' remover writes the line first, without a name before it. */
export function lineOf(error: unknown, url: string): number | undefined {
  if (!(error instanceof Error) || typeof error.stack !== 'string') return undefined
  const { stack } = error
  const own = stack.indexOf(`${url}:`)
  const line = own < 0 ? /^:(\d+)\n/.exec(stack)?.[1] : /^\d+/.exec(stack.slice(own + url.length + 1))?.[0]
  return line === undefined ? undefined : Number(line)
}

function lineOfImport(source: string, specifier: string): number | undefined {
  const at = source.split('\n').findIndex(line => [`'${specifier}'`, `"${specifier}"`].some(quoted => line.includes(quoted)))
  return at < 0 ? undefined : at + 1
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? ''
