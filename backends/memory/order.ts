const SURROGATE_MIN = 0xd800
const SURROGATE_MAX = 0xdfff

/**
 * Orders well-formed strings by their bytes of UTF-8, without encoding them. JavaScript's own order compares UTF-16 units, where a character beyond U+FFFF
 * (two surrogates) comes before U+E000 to U+FFFF; in UTF-8 it comes after.
 */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const unitA = a.charCodeAt(at)
    const unitB = b.charCodeAt(at)
    if (unitA !== unitB) return rank(unitA) - rank(unitB)
  }
  return a.length - b.length
}

const rank = (unit: number): number => (unit >= SURROGATE_MIN && unit <= SURROGATE_MAX ? unit + 0x10000 : unit)
