import { resolve } from 'node:path'
import { isLoopback, type Token } from '../model/access.ts'
import type { BackendKinds } from './backend-kinds.ts'
import { readBackends } from './backends.ts'
import type { BackendConfig, Config, HttpConfig, ViewConfig } from './config.ts'
import { Faults } from './faults.ts'
import { refuseLater } from './later.ts'
import { checkListeners } from './listeners.ts'
import { checkLog, completeLog, logNotes } from './log.ts'
import { applyOverrides } from './overrides.ts'
import { checkFiles } from './own-files.ts'
import { printableOf } from './printable.ts'
import { configSchema, type ParsedConfig, type ParsedView } from './schema.ts'
import { toJsonSchema } from './schema-nodes.ts'
import { readSource, type Source, type SourceOptions } from './source.ts'
import { Tree } from './tree.ts'
import { validate } from './validate.ts'
import { checkViews, type ViewFiles } from './views.ts'
import { readYaml } from './yaml.ts'

export interface ConfigOptions extends SourceOptions {
  /** `--set KEY=VALUE`, in order; they beat the file. */
  readonly set?: readonly string[] | undefined
  /** `--data-dir`, relative to the working directory; beats the file. */
  readonly dataDir?: string | undefined
}

/**
 * Reads, completes and checks the config: which file (`source`); its text as a tree that knows where each value stands (`yaml`,
 * `interpolate`, `overrides`); against the schemas (`validate`, `issues`); what no schema can say (`log`, `backends`, `views`,
 * `listeners`, `own-files`); and for showing (`printable`).
 * @throws config-invalid with every fault there is: `pointer` is `file:line:column key`, or the flag and the key.
 */
export async function loadConfig(options: ConfigOptions, kinds: BackendKinds): Promise<Config> {
  const source = readSource(options)
  const faults = new Faults()
  const tree = readTree(source, options, faults)
  refuseLater(tree, faults)
  checkLog(tree, faults)
  const result = await validate(configSchema, { tree, base: [], schema: toJsonSchema(configSchema) }, faults)
  const backends = await readBackends(tree, kinds, source.baseDir, faults)
  const files = await checkViews(tree, source.baseDir, faults)
  const notes = checkListeners(tree, source.baseDir, faults)
  const parts = { source, tree, options, backends, files, notes }
  if (result !== undefined) checkFiles({ tree, log: result.value.log, dataDir: dataDirOf(result.value, parts), backends }, faults)
  faults.throwIfAny()
  if (result === undefined) throw new Error('A config that is refused has faults')
  return complete(result.value, parts)
}

/** The file with the flags put over it. @throws config-invalid where it is no YAML, as the rest couldn't be told then */
export function readTree(source: Source, options: ConfigOptions, faults: Faults): Tree {
  const { origin, baseDir, text } = source
  const surroundings = { env: options.env, baseDir }
  const tree = new Tree({ origin, line: 1, column: 1 })
  const locationAt = (line: number, column: number) => ({ origin, line, column })
  const value = readYaml(text, { tree, path: [], locationAt, surroundings, faults })
  if (value === undefined) faults.throwIfAny()
  tree.value = value ?? {}
  applyOverrides(tree, options.set ?? [], surroundings, faults)
  return tree
}

interface Parts {
  readonly source: Source
  readonly tree: Tree
  readonly options: ConfigOptions
  readonly backends: ReadonlyMap<string, BackendConfig>
  readonly files: ReadonlyMap<string, ViewFiles>
  readonly notes: readonly string[]
}

function complete(parsed: ParsedConfig, parts: Parts): Config {
  const { source, tree, backends, files } = parts
  const dataDir = dataDirOf(parsed, parts)
  const http = completeHttp(parsed.http, source.baseDir)
  const log = completeLog(parsed.log, path => resolve(dataDir, path))
  const views = new Map(Object.entries(parsed.views).map(([name, view]) => [name, completeView(name, view, files.get(name))]))
  const resolved: ParsedConfig = {
    ...parsed,
    dataDir,
    log: parsed.log.kind === 'kafka' ? parsed.log : { ...parsed.log, path: resolve(dataDir, parsed.log.path) },
    views: Object.fromEntries(Object.entries(parsed.views).map(([name, view]) => [name, resolvedView(view, views.get(name), source.baseDir)])),
    http: { ...parsed.http, anonymous: [...http.anonymous], ...(http.static === undefined ? {} : { static: http.static }) },
  }
  const schemaNotes = [...files].flatMap(([view, { schema }]) => (schema?.notes ?? []).map(note => `The JSON Schema of ${view}: ${note}`))
  return {
    file: source.file,
    dataDir,
    namespace: parsed.log.namespace,
    log,
    backends,
    views,
    http,
    admin: { ...parsed.admin, tokens: tokensOf(parsed.admin.tokens) },
    logging: parsed.logging,
    notes: [...logNotes(parsed.log), ...parts.notes, ...schemaNotes],
    printable: printableOf(resolved, backends, tree),
  }
}

/** As every path, one that is written in the file is relative to it; the flag and the default belong to the working directory. */
function dataDirOf({ dataDir }: ParsedConfig, { source, tree, options }: Parts): string {
  if (options.dataDir !== undefined) return resolve(options.cwd, options.dataDir)
  return resolve(tree.get(['dataDir']) === undefined ? options.cwd : source.baseDir, dataDir)
}

function completeView(name: string, view: ParsedView, files: ViewFiles | undefined): ViewConfig {
  const { schema, projection } = files ?? {}
  return {
    view: name,
    topic: view.topic ?? name,
    partitions: view.partitions,
    replication: view.replication,
    create: view.create,
    backend: view.backend,
    partitioner: view.partitioner,
    writable: view.writable ?? (view.partitioner !== 'any' && projection === undefined),
    format: view.format,
    ordered: view.ordered,
    whenBehind: view.whenBehind,
    jsonSchema: schema?.document,
    schema: schema?.check,
    projection: projection?.source,
    projectionScript: projection?.script,
  }
}

function resolvedView(written: ParsedView, view: ViewConfig | undefined, baseDir: string): ParsedView {
  if (view === undefined) return written
  const { topic, writable } = view
  const jsonSchema = written.jsonSchema === undefined ? {} : { jsonSchema: resolve(baseDir, written.jsonSchema) }
  const projection = written.projection === undefined ? {} : { projection: resolve(baseDir, written.projection) }
  return { ...written, topic, writable, ...jsonSchema, ...projection }
}

function completeHttp(http: ParsedConfig['http'], baseDir: string): HttpConfig {
  return {
    ...http,
    static: http.static === undefined ? undefined : resolve(baseDir, http.static),
    anonymous: http.anonymous ?? (isLoopback(http.host) ? ['read', 'write'] : []),
    tokens: tokensOf(http.tokens),
  }
}

const tokensOf = (tokens: ParsedConfig['http']['tokens']): Readonly<Record<string, Token>> =>
  Object.fromEntries(Object.entries(tokens).map(([name, { sha256, scopes }]) => [name, { sha256: sha256.toLowerCase(), scopes }]))
