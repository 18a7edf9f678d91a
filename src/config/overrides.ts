import type { Faults } from './faults.ts'
import type { Surroundings } from './interpolate.ts'
import type { Location, Path } from './location.ts'
import { getIn, isMap, Tree } from './tree.ts'
import { readYaml } from './yaml.ts'

/** Puts the `KEY=VALUE` of each `--set` over the file, in order. */
export function applyOverrides(tree: Tree, overrides: readonly string[], surroundings: Surroundings, faults: Faults): void {
  for (const override of overrides) applyOverride(tree, override, surroundings, faults)
}

function applyOverride(tree: Tree, override: string, surroundings: Surroundings, faults: Faults): void {
  const location: Location = { origin: `--set ${override}` }
  const equals = override.indexOf('=')
  const path = override.slice(0, Math.max(equals, 0)).split('.')
  if (equals < 0 || path.some(part => part === '' || part === '__proto__')) {
    faults.add(location, [], 'It must be KEY=VALUE, with a key such as http.port')
    return
  }
  const blocking = blockedAt(tree, path)
  if (blocking !== undefined) {
    faults.add(location, path, `${blocking.join('.')} is no map, so that nothing can be set in it. Set it as a whole`)
    return
  }
  const text = override.slice(equals + 1)
  const reading = { path, locationAt: () => location, surroundings }
  // A value that can't be read leaves what the file says, so that what is wrong there is told, too.
  const found = faults.count
  readYaml(text, { ...reading, tree: new Tree(location), faults })
  if (faults.count > found) return
  tree.forget(path)
  tree.mark(path, { key: location, value: location })
  const value = readYaml(text, { ...reading, tree, faults })
  if (value === undefined) tree.remove(path)
  else tree.replace(path, value)
}

/** The first thing on the way to the path that is there and is no map. */
function blockedAt(tree: Tree, path: Path): Path | undefined {
  for (let length = 1; length < path.length; length++) {
    const value = getIn(tree.value, path.slice(0, length))
    if (value !== undefined && value !== null && !isMap(value)) return path.slice(0, length)
  }
  return undefined
}
