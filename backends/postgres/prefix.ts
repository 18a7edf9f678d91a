const LAST = 0x10ffff
const SURROGATES_FROM = 0xd800
const SURROGATES_TO = 0xdfff

/**
 * The first text, in the order of UTF-8, behind everything that begins with the prefix; undefined where nothing is. That order is the order of code points, so it is the
 * prefix with its last code point made one larger, and without those at its end that have none larger.
 */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, character => character.codePointAt(0) ?? 0)
  while (points.at(-1) === LAST) points.pop()
  const last = points.pop()
  if (last === undefined) return undefined
  return String.fromCodePoint(...points, last + 1 === SURROGATES_FROM ? SURROGATES_TO + 1 : last + 1)
}
