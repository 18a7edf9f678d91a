import type { RequestHandler } from 'express'
import { LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'

/** Refuses what no route should see: a URL or headers beyond the limits, escapes that decode to nothing, a missing Host. */
export const guards: RequestHandler = (request, _response, next) => {
  const { url } = request
  if (url.length > limits.urlBytesMax) throw urlTooLong()
  if (headerBytes(request.rawHeaders) > limits.headerBytesMax) throw headersTooLarge()
  if (request.headers.host === undefined && request.httpVersion === '1.1') {
    throw new LogfoldError('invalid-request', 'The request has no Host header', { remedy: 'HTTP/1.1 demands one.' })
  }
  try {
    decodeURIComponent(request.path)
  } catch {
    throw new LogfoldError('invalid-request', `The path ${request.path} has a percent escape that is not UTF-8`, {
      remedy: 'Encode each part of the path with encodeURIComponent.',
    })
  }
  next()
}

export const urlTooLong = (): LogfoldError =>
  new LogfoldError('url-too-long', `A URL has at most ${limits.urlBytesMax} bytes`, {
    remedy: 'Ask for fewer ids at once.',
  })

export const headersTooLarge = (): LogfoldError =>
  new LogfoldError('headers-too-large', `The headers have at most ${limits.headerBytesMax} bytes together`, {
    remedy: 'Send fewer or shorter headers.',
  })

/** As sent: Node reads headers as Latin-1, so a character is a byte. Each line has a colon, a space and a line end. */
const headerBytes = (rawHeaders: readonly string[]): number => rawHeaders.reduce((bytes, part) => bytes + part.length + 2, 0)
