import { type Document, isAlias, isScalar, isSeq, isMap as isYamlMap, LineCounter, type Node, type Pair, parseDocument, type Range } from 'yaml'
import type { Faults } from './faults.ts'
import { interpolate, type Surroundings } from './interpolate.ts'
import type { Location, Path } from './location.ts'
import type { Tree } from './tree.ts'

/** Enough for a thousand views; an anchor that doubles itself over and over is stopped here. */
const NODES_MAX = 100_000

export interface YamlReading {
  /** Where the value goes in the tree; its locations, secrets and `${…}` are written there. */
  readonly tree: Tree
  readonly path: Path
  readonly locationAt: (line: number, column: number) => Location
  readonly surroundings: Surroundings
  readonly faults: Faults
}

/** Reads a YAML text. Undefined where there is nothing in it, or it is no YAML, which is then in `faults`. */
export const readYaml = (text: string, reading: YamlReading): unknown => new Reader(text, reading).read()

class Reader {
  readonly #reading: YamlReading
  readonly #lines = new LineCounter()
  readonly #document: Document
  #nodes = 0

  constructor(text: string, reading: YamlReading) {
    this.#reading = reading
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
  }

  read(): unknown {
    const { path, faults } = this.#reading
    const problems = [...this.#document.errors, ...this.#document.warnings]
    for (const problem of problems) {
      const detail = problem.code === 'DUPLICATE_KEY' ? 'This key stands here a second time' : `This is not YAML: ${problem.message}`
      faults.add(this.#at(problem.pos[0]), path, detail)
    }
    if (problems.some(({ code }) => code !== 'DUPLICATE_KEY')) return undefined
    const contents = this.#document.contents
    if (contents === null || (isScalar(contents) && contents.value === null)) return undefined
    return this.#value(contents, path)
  }

  #at(offset: number): Location {
    const { line, col } = this.#lines.linePos(offset)
    return this.#reading.locationAt(line, col)
  }

  #locationOf(node: { readonly range?: Range | null | undefined }): Location {
    return this.#at(node.range?.[0] ?? 0)
  }

  #value(node: Node | null, path: Path): unknown {
    if (node === null) return null
    if (++this.#nodes > NODES_MAX) {
      if (this.#nodes === NODES_MAX + 1) this.#reading.faults.add(this.#locationOf(node), path, `There are more than ${NODES_MAX} values`)
      return null
    }
    if (isAlias(node)) return this.#value(node.resolve(this.#document) ?? null, path)
    if (isYamlMap(node)) return this.#map(node.items as Pair<unknown, unknown>[], path)
    if (isSeq(node)) {
      return node.items.map((item, at) => {
        const itemPath = [...path, at]
        this.#reading.tree.mark(itemPath, { value: this.#locationOf(item as Node) })
        return this.#value(item as Node, itemPath)
      })
    }
    if (!isScalar(node)) return null
    return typeof node.value === 'string' ? this.#text(node.value, this.#locationOf(node), path) : node.value
  }

  #map(pairs: readonly Pair<unknown, unknown>[], path: Path): unknown {
    const map: Record<string, unknown> = {}
    for (const { key, value } of pairs) {
      if (!isScalar(key)) {
        this.#reading.faults.add(this.#locationOf(key as Node), path, 'A key must be a word')
        continue
      }
      const name = String(key.value)
      const keyPath = [...path, name]
      const location = this.#locationOf(key)
      // Assigning it would change the object's prototype instead of adding a key.
      if (name === '__proto__') {
        this.#reading.faults.add(location, keyPath, 'There is no such key')
        continue
      }
      const node = value as Node | null
      this.#reading.tree.mark(keyPath, { key: location, value: node?.range ? this.#locationOf(node) : location })
      const read = this.#value(node, keyPath)
      if (read !== undefined) map[name] = read
    }
    return map
  }

  /** Undefined where a whole `${…}` came out empty, or something in it is at fault: the key is then as if it weren't there. */
  #text(source: string, location: Location, path: Path): unknown {
    if (!source.includes('${')) return source
    const { text, whole, secrets, faults } = interpolate(source, this.#reading.surroundings)
    for (const fault of faults) this.#reading.faults.add(location, path, fault)
    for (const secret of secrets) addSecrets(secret, this.#reading.tree.secrets)
    // What is at fault is as if it weren't there, so that it isn't told twice.
    if (faults.length > 0) return undefined
    if (!whole) return text
    if (text.trim() === '') return undefined
    const value = parseOr(text)
    if (typeof value !== 'string') this.#reading.tree.interpolated.push({ path, text })
    if (secrets.length > 0) addSecrets(value, this.#reading.tree.secrets)
    return value
  }
}

/**
 * What YAML makes of a text. The text itself where it is no YAML (a password, say, that begins with an asterisk), and where it is plain text: YAML
 * would join its lines, and take ` #` for a comment.
 */
function parseOr(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: false })
  if (document.errors.length > 0 || document.warnings.length > 0) return text
  const { contents } = document
  if (isScalar(contents) && typeof contents.value === 'string' && contents.type === 'PLAIN') return text
  return document.toJS({ maxAliasCount: 100 })
}

function addSecrets(value: unknown, secrets: Set<string>): void {
  if (typeof value === 'string' && value !== '') secrets.add(value)
  else if (typeof value === 'number') secrets.add(String(value))
  else if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) addSecrets(member, secrets)
}
