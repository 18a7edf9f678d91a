import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import { ClientGone } from '../http/failures.ts'
import { LogfoldError, messageOf } from '../model/errors.ts'

/** What a verb is told has a few members. */
const BODY_BYTES_MAX = 16_384

/** A foreign page can't send this type without the browser asking first; so it can't POST to a listener that wants no token. */
const isJson: RequestHandler = (request, _response, next) => {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';')
  if (type.trim().toLowerCase() === 'application/json') return next()
  throw new LogfoldError('unsupported-media-type', type === '' ? 'The request has no Content-Type' : `This address does not take ${type.trim()}`, {
    remedy: 'Send application/json, also with an empty body.',
  })
}

const failed: ErrorRequestHandler = (error: unknown, _request, _response, next) => {
  const type = typeof error === 'object' && error !== null && 'type' in error ? error.type : undefined
  switch (type) {
    case undefined:
      return next(error)
    case 'request.aborted':
      return next(new ClientGone())
    case 'entity.too.large':
      return next(new LogfoldError('too-large', `The body has more than ${BODY_BYTES_MAX} bytes`, { remedy: 'Send what the address takes alone.' }))
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return next(new LogfoldError('unsupported-media-type', messageOf(error), { remedy: 'Send JSON in UTF-8, without Content-Encoding.' }))
    default:
      return next(new LogfoldError('invalid-request', `The body is no JSON: ${messageOf(error)}`, { remedy: 'Send a JSON object.' }))
  }
}

/** Reads the JSON body of a POST into `request.body`, undefined where it is empty. */
export const readsJson: readonly (RequestHandler | ErrorRequestHandler)[] = [
  isJson,
  express.json({ limit: BODY_BYTES_MAX, inflate: false, strict: false, type: () => true }),
  failed,
]

/** The members of what `readsJson` has read. @throws invalid-request; unknown-parameter, for all that aren't known at once */
export function members(body: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (body === undefined) return {}
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new LogfoldError('invalid-request', 'The body is no JSON object', {
      remedy: known.length === 0 ? 'Send none.' : `Known here: ${known.join(', ')}.`,
    })
  }
  const unknown = Object.keys(body).filter(name => !known.includes(name))
  if (unknown.length === 0) return { ...body }
  throw new LogfoldError('unknown-parameter', `There is no member ${unknown.map(name => JSON.stringify(name)).join(', ')}`, {
    remedy: known.length === 0 ? 'This address takes none.' : `Known here: ${known.join(', ')}.`,
    errors: unknown.map(name => ({ pointer: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, detail: 'There is no such member' })),
  })
}
