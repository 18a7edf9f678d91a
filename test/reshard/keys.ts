import { type KeySpace, numbered, oddKeys, skewed } from '../chaos/keys.ts'

/** Four of five entries are there for good, so that an answer without one is wrong whatever else happens. */
const ALWAYS_SHARE = 0.8

export interface ReshardKeys extends KeySpace {
  readonly all: readonly string[]
}

/** So many keys, and some with odd bytes; the same for the same number. */
export function keysOf(count: number): ReshardKeys {
  const always = numbered('always', Math.round(count * ALWAYS_SHARE))
  const changing = [...numbered('key', count - always.length), ...oddKeys]
  const all = [...always, ...changing]
  const isAlways = new Set(always)
  const isKnown = new Set(all)
  return {
    always,
    all,
    isAlways: key => isAlways.has(key),
    has: key => isKnown.has(key),
    toWrite: random => (random.chance(1 / 4) ? random.pick(always) : random.chance(0.5) ? skewed(changing, random) : random.pick(changing)),
    toRead: random => (random.chance(0.5) ? skewed(changing, random) : random.pick(all)),
  }
}
