import type { ErrorRequestHandler, Request, RequestHandler } from 'express'
import { LogfoldError } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import { asLogfoldError, errorFields, sendProblem } from './problem.ts'

/** The client went away, so there is nobody to answer. Ends a handler; never reaches anybody as a problem. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

const clientWent = (request: Request, error: unknown): boolean => error instanceof ClientGone || (request.destroyed && !request.complete)

/**
 * Answers what a handler threw. Once the head of an answer was sent nothing can be taken back: the connection is reset, so that a short answer never
 * looks whole, not even to a client of HTTP/1.0, which takes the end of the connection for the end of the answer.
 */
export function failures(logger: Logger): ErrorRequestHandler {
  return (thrown, request, response, _next) => {
    if (response.destroyed || clientWent(request, thrown)) {
      response.destroy()
      return
    }
    const error = asLogfoldError(thrown)
    const fields = { ...errorFields(error), method: request.method, route: request.route?.path }
    if (error.kind.exit === 70 && error.code !== 'closed') logger.error('A request failed', fields)
    if (!response.headersSent) {
      sendProblem(response, error)
      return
    }
    logger.warn('An answer under way was cut off', fields)
    response.socket?.resetAndDestroy()
  }
}

export const noSuchRoute: RequestHandler = request => {
  throw new LogfoldError('no-such-route', `There is nothing at ${request.baseUrl}${request.path}`, {
    remedy: 'Addresses are case-sensitive and have no slash at the end.',
  })
}

/** For the end of a route: its other methods are refused by name, and OPTIONS tells which there are. */
export function onlyMethods(...methods: readonly string[]): RequestHandler {
  const allow = [...methods, 'OPTIONS'].join(', ')
  return (request, response) => {
    response.setHeader('Allow', allow)
    if (request.method === 'OPTIONS') {
      response.statusCode = 204
      response.end()
      return
    }
    throw new LogfoldError('method-not-allowed', `${request.method} is not allowed here`, { remedy: `Use ${allow}.` })
  }
}
