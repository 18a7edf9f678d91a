import { stringify } from 'yaml'
import type { BackendConfig } from './config.ts'
import type { ParsedConfig } from './schema.ts'
import { masked } from './secrets.ts'
import { isMap, type Tree } from './tree.ts'

/** The config as a file would say it, with defaults filled in and secrets masked. */
export function printableOf(resolved: ParsedConfig, backends: ReadonlyMap<string, BackendConfig>, tree: Tree): unknown {
  const sections = [...backends.values()].map(({ name, kind, config }) => [name, { kind, ...plain(config, resolved.backends[name]) }])
  return masked({ ...resolved, backends: Object.fromEntries(sections) }, tree.secrets)
}

export const toYaml = (value: unknown): string => stringify(value, { lineWidth: 0 })

/** What a schema made of a section; or, where that isn't plain data, what was written. */
function plain(config: unknown, written: unknown): Record<string, unknown> {
  const isPlain = isMap(config) && isPlainData(config)
  if (isPlain) return config
  return isMap(written) ? written : {}
}

function isPlainData(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function' && typeof value !== 'bigint' && typeof value !== 'symbol'
  const prototype: unknown = Object.getPrototypeOf(value)
  const isKnown = prototype === Object.prototype || prototype === Array.prototype || prototype === null
  return isKnown && Object.values(value).every(isPlainData)
}
