import { distance } from 'fastest-levenshtein'

/** The candidate that was probably meant; undefined when none is near enough. */
function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const editsMax = word.length <= 2 ? 1 : Math.max(2, Math.floor(word.length / 3))
  let best: { candidate: string; edits: number } | undefined
  for (const candidate of candidates) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    if (edits <= editsMax && (best === undefined || edits < best.edits)) best = { candidate, edits }
  }
  return best?.candidate
}

const LISTED_MAX = 30

/** ` Did you mean "port"?`, or else what there is to choose from. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates)
  if (near !== undefined) return `. Did you mean ${JSON.stringify(near)}?`
  if (candidates.length === 0) return ''
  const more = candidates.length > LISTED_MAX ? ', …' : ''
  return `. Choose from ${candidates.slice(0, LISTED_MAX).join(', ')}${more}`
}
