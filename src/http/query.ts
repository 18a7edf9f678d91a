import { LogfoldError } from '../model/errors.ts'

/** The parameters of a URL, by name, in the order sent. */
export type Query = ReadonlyMap<string, readonly string[]>

/**
 * Reads the parameters, strictly: an escape that isn't UTF-8, and a name that isn't one of `known`, are refused, all faults at once.
 * @throws invalid-request, unknown-parameter
 */
export function readQuery(url: string, known: readonly string[]): Query {
  const query = new Map<string, string[]>()
  const start = url.indexOf('?')
  for (const part of start < 0 ? [] : url.slice(start + 1).split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decode(equals < 0 ? part : part.slice(0, equals))
    const value = equals < 0 ? '' : decode(part.slice(equals + 1))
    const values = query.get(name)
    if (values === undefined) query.set(name, [value])
    else values.push(value)
  }
  const unknown = [...query.keys()].filter(name => !known.includes(name))
  if (unknown.length === 0) return query
  throw new LogfoldError('unknown-parameter', `There is no parameter ${unknown.map(name => JSON.stringify(name)).join(', ')}`, {
    remedy: known.length === 0 ? 'This address takes no parameters.' : `Known here: ${known.join(', ')}.`,
    errors: unknown.map(name => ({ pointer: name, detail: 'There is no such parameter' })),
  })
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part.replaceAll('+', ' '))
  } catch {
    throw new LogfoldError('invalid-request', `The parameter ${JSON.stringify(part)} has a percent escape that is not UTF-8`, {
      remedy: 'Encode names and values with encodeURIComponent.',
    })
  }
}

/** @throws invalid-parameter where it was sent twice */
export function single(query: Query, name: string): string | undefined {
  const values = query.get(name)
  if (values !== undefined && values.length > 1) throw invalidParameter(name, 'It was sent twice', 'Send it once.')
  return values?.[0]
}

/** A number from 1 to `max`. @throws invalid-parameter */
export function count(query: Query, name: string, max: number): number | undefined {
  const text = single(query, name)
  if (text === undefined) return undefined
  const value = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
  if (value > max) throw invalidParameter(name, `It is ${JSON.stringify(text)}`, `Send a whole number from 1 to ${max}.`)
  return value
}

export const invalidParameter = (name: string, detail: string, remedy: string): LogfoldError =>
  new LogfoldError('invalid-parameter', `The parameter ${name} cannot be used: ${detail}`, {
    remedy,
    errors: [{ pointer: name, detail }],
  })
