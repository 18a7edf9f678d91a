import type { RequestHandler } from 'express'

const METHODS = 'GET, HEAD, POST, PUT, DELETE'
const REQUEST_HEADERS = 'Authorization, Content-Type, If-None-Match, Logfold-After, Prefer'
const ANSWER_HEADERS = 'ETag, Link, Location, Logfold-Generation, Logfold-Offset, Logfold-Unresolved, Preference-Applied, Retry-After'
const PREFLIGHT_SECONDS = 600

/**
 * Lets pages of these origins use the API; `*` is any. Origins are compared as a whole. Without any, a page of another origin can neither read nor,
 * as every write is of a kind that a browser asks about first, write.
 */
export function cors(origins: readonly string[]): RequestHandler {
  const any = origins.includes('*')
  return (request, response, next) => {
    const { origin } = request.headers
    if (origins.length > 0 && !any) response.vary('Origin')
    if (origin === undefined || !(any || origins.includes(origin))) return next()
    response.setHeader('Access-Control-Allow-Origin', any ? '*' : origin)
    response.setHeader('Access-Control-Expose-Headers', ANSWER_HEADERS)
    if (request.method !== 'OPTIONS' || request.get('Access-Control-Request-Method') === undefined) return next()
    response.setHeader('Access-Control-Allow-Methods', METHODS)
    response.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS)
    response.setHeader('Access-Control-Max-Age', String(PREFLIGHT_SECONDS))
    response.statusCode = 204
    response.end()
  }
}
