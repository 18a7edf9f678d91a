import type { Request, RequestHandler, Response } from 'express'
import type { Metrics } from '../metrics/metrics.ts'

/** Measures each request under its route's pattern, never its raw URL: that would make a series an id. */
export const timing =
  (metrics: Metrics): RequestHandler =>
  (request, response, next) => {
    const end = metrics.httpRequestDuration.startTimer()
    response.once('close', () => {
      const status = response.writableFinished ? String(response.statusCode) : 'aborted'
      end({ route: routeOf(request, response), method: request.method, status })
    })
    next()
  }

const routeOf = (request: Request, response: Response): string => {
  const named: unknown = response.locals.route ?? request.route?.path
  return typeof named === 'string' ? named : 'none'
}

/** Names the route of what no pattern leads to, such as files. */
export const asRoute =
  (name: string): RequestHandler =>
  (_request, response, next) => {
    response.locals.route = name
    next()
  }
