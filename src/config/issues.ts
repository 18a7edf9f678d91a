import type { ConfigIssue } from '../model/config-schema.ts'
import { suggestion } from '../model/near.ts'
import type { Faults } from './faults.ts'
import type { Path } from './location.ts'
import { type JsonSchemaNode, knownKeys, nodeAt } from './schema-nodes.ts'
import { isSecretKey } from './secrets.ts'
import { getIn, type Tree } from './tree.ts'

/** What zod says beside a message; other Standard Schemas have the message only. */
interface DetailedIssue extends ConfigIssue {
  readonly code?: string
  readonly keys?: readonly string[]
  readonly expected?: string
  readonly values?: readonly unknown[]
  readonly issues?: readonly ConfigIssue[]
  /** Of a union: what each of its alternatives found. */
  readonly errors?: readonly (readonly DetailedIssue[])[]
  /** Of a union whose alternatives a key tells apart: that key's values. */
  readonly options?: readonly unknown[]
}

export interface Section {
  readonly tree: Tree
  /** Where the checked value stands in the tree. */
  readonly base: Path
  /** For near misses and descriptions; undefined where the schema can't be turned into one. */
  readonly schema: JsonSchemaNode | undefined
}

/** Tells what a schema found, each at the location of its key. */
export function addIssues(issues: readonly ConfigIssue[], section: Section, faults: Faults): void {
  for (const issue of issues) addIssue(issue, section, faults)
}

export const issuePath = (issue: ConfigIssue): Path =>
  (issue.path ?? []).map(part => {
    const key = typeof part === 'object' ? part.key : part
    return typeof key === 'number' ? key : String(key)
  })

/** Where one alternative of a union was meant, what it found, as if it had been the only one. */
export function flatIssues(issues: readonly DetailedIssue[]): readonly ConfigIssue[] {
  return issues.flatMap(issue => {
    const [meant, ...others] = (issue.errors ?? []).filter(errors => !errors.some(isOfWholeType))
    if (issue.code !== 'invalid_union' || meant === undefined || others.length > 0) return [issue]
    return flatIssues(meant.map(error => ({ ...error, path: [...(issue.path ?? []), ...(error.path ?? [])] })))
  })
}

const isOfWholeType = (issue: DetailedIssue): boolean => issue.code === 'invalid_type' && issuePath(issue).length === 0

function addIssue(issue: DetailedIssue, { tree, base, schema }: Section, faults: Faults): void {
  const inner = issuePath(issue)
  const path = [...base, ...inner]
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, inner, tree.get(base))
    for (const key of issue.keys ?? []) {
      const detail = `There is no such key${suggestion(key, known)}`
      faults.add(tree.keyLocationOf([...path, key]), [...path, key], detail)
    }
    return
  }
  if (faults.has(path)) return
  const location =
    issue.code === 'invalid_key'
      ? tree.keyLocationOf(path)
      : tree.get(path) === undefined
        ? tree.keyLocationOf(path.slice(0, -1))
        : tree.locationOf(path)
  faults.add(location, path, describe(issue, path, tree, nodeAt(schema, inner, tree.get(base))?.description))
}

function describe(issue: DetailedIssue, path: Path, tree: Tree, purpose: string | undefined): string {
  const value = getIn(tree.value, path)
  if (issue.code === 'invalid_key') return issue.issues?.[0]?.message ?? issue.message
  if (value === undefined && issue.code !== 'custom') return purpose === undefined ? 'It is missing' : `It is missing: ${purpose}`
  if (value === null) return purpose === undefined ? 'It is empty' : `It is empty. Give a value, or leave the key out: ${purpose}`
  if (issue.code === 'invalid_type' && issue.expected !== undefined) {
    return `It must be ${typeNames[issue.expected] ?? issue.expected}, and is ${shown(value, path, tree)}`
  }
  const values = issue.code === 'invalid_value' ? issue.values : issue.options?.filter(one => one !== undefined)
  if (values !== undefined) {
    const allowed = values.map(String)
    const near = typeof value === 'string' ? suggestion(value, allowed) : `. Choose from ${allowed.join(', ')}`
    return `It cannot be ${shown(value, path, tree)}${near}`
  }
  return issue.message
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
}

const SHOWN_LENGTH_MAX = 60

function shown(value: unknown, path: Path, tree: Tree): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  const secret = isSecretKey(path.at(-1), path.at(-2)) || [...tree.secrets].some(one => text.includes(one))
  if (secret) return typeof value === 'string' ? 'a text' : `a ${typeof value}`
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text
}
