import type { Faults } from './faults.ts'
import type { Path } from './location.ts'
import { isMap, type Tree, without } from './tree.ts'

/**
 * What the contract has and this version hasn't is told as such, so that nobody takes it for a slip of the pen, and taken out, so that
 * the rest is checked as usual.
 */
export function refuseLater(tree: Tree, faults: Faults): void {
  const views = tree.get(['views'])
  if (!isMap(views)) return
  for (const [name, view] of Object.entries(views)) {
    if (!isMap(view)) continue
    const found = ['lookups'].filter(key => Object.hasOwn(view, key))
    for (const key of found) {
      const path: Path = ['views', name, key]
      faults.add(tree.keyLocationOf(path), path, `This version has no ${key} yet. Leave the key out`)
    }
    if (found.length > 0) tree.replace(['views', name], without(view, ...found))
  }
}
