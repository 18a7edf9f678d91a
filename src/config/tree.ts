import type { Location, Path } from './location.ts'

/** A value that was wholly one `${…}`: as text, beside what YAML made of it. */
interface Interpolated {
  readonly path: Path
  readonly text: string
}

/**
 * The config as plain data, before anybody has checked it, and the location of each key and value in it.
 */
export class Tree {
  readonly root: Location
  value: unknown = {}
  readonly #keys = new Map<string, Location>()
  readonly #values = new Map<string, Location>()
  readonly interpolated: Interpolated[] = []
  /** What came out of a `${file:…}`: never to be shown. */
  readonly secrets = new Set<string>()

  constructor(root: Location) {
    this.root = root
  }

  mark(path: Path, locations: { readonly key?: Location; readonly value: Location }): void {
    if (locations.key !== undefined) this.#keys.set(nameOf(path), locations.key)
    this.#values.set(nameOf(path), locations.value)
  }

  /** Of the value, or of the nearest thing around it that was written. */
  locationOf(path: Path): Location {
    return this.#nearest(path, this.#values)
  }

  /** Of the key, or of the nearest thing around it that was written. */
  keyLocationOf(path: Path): Location {
    return this.#keys.get(nameOf(path)) ?? this.locationOf(path)
  }

  get(path: Path): unknown {
    return getIn(this.value, path)
  }

  /** Puts a value over whatever stands at the path. What lies on the way and is no map becomes one. */
  replace(path: Path, value: unknown): void {
    this.value = setIn(this.value, path, value)
  }

  /** Forgets the locations and the texts of what stands at and below the path. */
  forget(path: Path): void {
    const [self, below] = [nameOf(path), `${nameOf(path).slice(0, -1)},`]
    for (const locations of [this.#keys, this.#values]) {
      for (const name of locations.keys()) if (name === self || name.startsWith(below)) locations.delete(name)
    }
    const kept = this.interpolated.filter(one => nameOf(one.path) !== self && !nameOf(one.path).startsWith(below))
    this.interpolated.splice(0, this.interpolated.length, ...kept)
  }

  remove(path: Path): void {
    const parent = path.slice(0, -1)
    const map = this.get(parent)
    if (isMap(map)) this.replace(parent, without(map, String(path.at(-1))))
  }

  #nearest(path: Path, locations: ReadonlyMap<string, Location>): Location {
    for (let length = path.length; length > 0; length--) {
      const location = locations.get(nameOf(path.slice(0, length)))
      if (location !== undefined) return location
    }
    return this.root
  }
}

const nameOf = (path: Path): string => JSON.stringify(path)

export const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

export function getIn(value: unknown, path: Path): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = Reflect.get(at, part)
  }
  return at
}

/** A copy with one value changed; what lies on the way and is no map or list becomes a map. */
function setIn(value: unknown, path: Path, put: unknown): unknown {
  const [part, ...rest] = path
  if (part === undefined) return put
  if (Array.isArray(value)) return value.map((item, at) => (at === part ? setIn(item, rest, put) : item))
  const map = isMap(value) ? value : {}
  return { ...map, [part]: setIn(Object.hasOwn(map, part) ? map[part] : undefined, rest, put) }
}

/** A copy without one key. */
export function without(map: Record<string, unknown>, ...keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)))
}
