/** What the client asked for with `Prefer` (RFC 7240), as far as it is known here. The header is a wish: what can't be read is passed over. */
export interface Prefer {
  readonly respondAsync: boolean
  /** Seconds, at most 30. */
  readonly waitSeconds: number | undefined
}

const WAIT_SECONDS_MAX = 30
const WAIT_DEFAULT_MS = 1000

export function readPrefer(header: string | string[] | undefined): Prefer {
  let respondAsync = false
  let waitSeconds: number | undefined
  for (const preference of String(header ?? '').split(',')) {
    const [, name, value] = /^\s*([\w-]+)\s*(?:=\s*"?([^\s";]*)"?)?\s*(?:;.*)?$/.exec(preference) ?? []
    if (name?.toLowerCase() === 'respond-async') respondAsync = true
    if (name?.toLowerCase() === 'wait' && waitSeconds === undefined && /^\d{1,9}$/.test(value ?? '')) {
      waitSeconds = Math.min(Number(value), WAIT_SECONDS_MAX)
    }
  }
  return { respondAsync, waitSeconds }
}

/** How long an answer may be held back. `respond-async` together with `wait=N` means: at once after N seconds. */
export function waitMsOf({ respondAsync, waitSeconds }: Prefer): number {
  if (waitSeconds !== undefined) return waitSeconds * 1000
  return respondAsync ? 0 : WAIT_DEFAULT_MS
}

/** The value of `Preference-Applied`; undefined when nothing was asked for. */
export function appliedPreference({ respondAsync, waitSeconds }: Prefer): string | undefined {
  const applied = [...(respondAsync ? ['respond-async'] : []), ...(waitSeconds === undefined ? [] : [`wait=${waitSeconds}`])]
  return applied.length === 0 ? undefined : applied.join(', ')
}
