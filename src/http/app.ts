import express, { type Express } from 'express'
import type { Metrics } from '../metrics/metrics.ts'
import { guards } from './guards.ts'
import { hostGuard } from './host.ts'
import { timing } from './timing.ts'

export interface AppOptions {
  /** The address listened on. */
  readonly host: string
  readonly metrics: Metrics
}

/**
 * What both listeners begin with. Express by default takes `/api/job/` for `/api/job` and ignores case, says what it is, makes weak ETags of its own
 * and reads `a[b]=c` as an object: none of it here.
 */
export function newApp({ host, metrics }: AppOptions): Express {
  const app = express()
  app.enable('strict routing').enable('case sensitive routing')
  app.disable('x-powered-by').disable('etag').set('query parser', false)
  app.use(timing(metrics))
  app.use((_request, response, next) => {
    response.setHeader('X-Content-Type-Options', 'nosniff')
    next()
  })
  app.use(guards, hostGuard(host))
  return app
}
