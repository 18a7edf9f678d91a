import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { suggestion } from '../model/near.ts'
import type { Faults } from './faults.ts'
import { fileProblem } from './file-problem.ts'
import { type CompiledSchema, compileJsonSchema } from './json-schema.ts'
import { type ProjectionFile, readProjection } from './projection.ts'
import { NAMESPACE, PARTITIONER, PARTITIONS } from './schema.ts'
import { isMap, type Tree } from './tree.ts'

const SCHEMA_BYTES_MAX = 1024 * 1024

export interface ViewSchema extends CompiledSchema {
  readonly document: unknown
}

/** What the files say that views name. */
export interface ViewFiles {
  readonly schema: ViewSchema | undefined
  readonly projection: ProjectionFile | undefined
}

export interface RawView {
  readonly name: string
  readonly topic: string
  readonly raw: Record<string, unknown>
}

/** Checks what a view's own schema can't: other keys, other views, files. Works on what was written, whatever else is wrong with it. */
export async function checkViews(tree: Tree, baseDir: string, faults: Faults): Promise<Map<string, ViewFiles>> {
  const files = new Map<string, ViewFiles>()
  const written = tree.get(['views'])
  if (!isMap(written)) return files
  const views = Object.entries(written).flatMap(([name, raw]) =>
    isMap(raw) ? [{ name, raw, topic: typeof raw.topic === 'string' ? raw.topic : name }] : [],
  )
  checkTopics(tree, views, faults)
  for (const view of views) {
    checkBackend(tree, view, faults)
    checkWritable(tree, view, faults)
    const schema = readJsonSchema(tree, view, baseDir, faults)
    files.set(view.name, { schema, projection: await readProjection(tree, view, baseDir, faults) })
  }
  return files
}

function checkBackend(tree: Tree, { name, raw }: RawView, faults: Faults): void {
  const backends = tree.get(['backends'])
  if (typeof raw.backend !== 'string' || !isMap(backends) || Object.hasOwn(backends, raw.backend)) return
  const path = ['views', name, 'backend']
  const hint = suggestion(raw.backend, Object.keys(backends))
  faults.add(tree.locationOf(path), path, `There is no backend ${JSON.stringify(raw.backend)}${hint}`)
}

function checkWritable(tree: Tree, { name, raw }: RawView, faults: Faults): void {
  if (raw.partitioner !== 'any' || raw.writable !== true) return
  const path = ['views', name, 'writable']
  const why = 'With the partitioner any, nobody knows where a key belongs, so that REST cannot write'
  faults.add(tree.locationOf(path), path, `${why}. Name the partitioner, or leave writable out`)
}

function checkTopics(tree: Tree, views: readonly RawView[], faults: Faults): void {
  const namespace = tree.get(['log', 'namespace']) ?? NAMESPACE
  const own = new Map([
    [`${namespace}.control`, 'its commands'],
    [`${namespace}.presence`, 'who is alive'],
    ...views.map(({ name }): [string, string] => [`${namespace}.${name}.dead`, `the dead letters of ${name}`]),
  ])
  const firsts = new Map<string, RawView>()
  for (const view of views) {
    const path = ['views', view.name, 'topic']
    const taken = own.get(view.topic)
    if (taken !== undefined) faults.add(tree.locationOf(path), path, `In the topic ${view.topic} logfold keeps ${taken}. Choose another`)
    const first = firsts.get(view.topic)
    if (first === undefined) firsts.set(view.topic, view)
    else checkShared(tree, first, view, faults)
  }
}

/** Two views may be folded from one topic, if they agree on what the topic is. */
function checkShared(tree: Tree, first: RawView, second: RawView, faults: Faults): void {
  for (const [key, fallback] of [
    ['partitions', PARTITIONS],
    ['partitioner', PARTITIONER],
  ] as const) {
    const [a, b] = [first.raw[key] ?? fallback, second.raw[key] ?? fallback]
    if (a === b) continue
    const path = ['views', second.name, key]
    const detail = `${first.name} is folded from the same topic ${second.topic}, with ${key} ${a} instead of ${b}. They must be the same`
    faults.add(tree.locationOf(path), path, detail)
  }
}

function readJsonSchema(tree: Tree, { name, raw }: RawView, baseDir: string, faults: Faults): ViewSchema | undefined {
  if (typeof raw.jsonSchema !== 'string' || raw.jsonSchema === '') return undefined
  const path = ['views', name, 'jsonSchema']
  const location = tree.locationOf(path)
  if (raw.format === 'text' || raw.format === 'bytes') {
    faults.add(location, path, `Only a json view has a JSON Schema, and the format of ${name} is ${raw.format}`)
  }
  const file = resolve(baseDir, raw.jsonSchema)
  try {
    const text = readFileSync(file, 'utf8')
    if (Buffer.byteLength(text) > SCHEMA_BYTES_MAX) throw new Error(`It has more than ${SCHEMA_BYTES_MAX} bytes`)
    const document: unknown = JSON.parse(text)
    return { document, ...compileJsonSchema(document) }
  } catch (error) {
    faults.add(location, path, fileProblem(file, error))
    return undefined
  }
}
