import type { Express, RequestHandler } from 'express'
import type { View } from '../generations/view.ts'
import { newApp } from '../http/app.ts'
import { access } from '../http/auth.ts'
import { failures, noSuchRoute, onlyMethods } from '../http/failures.ts'
import { type Address, Listener } from '../http/listener.ts'
import { readQuery } from '../http/query.ts'
import { sendJson } from '../http/send.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { isLoopback, type Token } from '../model/access.ts'
import { LogfoldError } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import { reshardVerbs } from '../model/reshard.ts'
import { readsJson } from './body.ts'
import { consoleRoute } from './console.ts'
import { deadLetterRoute, deadLettersRoute, dropRoute, replayRoute } from './dead-letters.ts'
import { livezRoute, metricsRoute, readyzRoute } from './probes.ts'
import { reloadRoute, reshardPaths, reshardRoute } from './reshard.ts'
import type { StatusProvider } from './status.ts'
import type { Verbs } from './verbs.ts'
import { verifyRoutes } from './verify.ts'

export interface AdminOptions {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** Off loopback everything but probes and metrics needs one of them. */
  readonly tokens: Readonly<Record<string, Token>>
  /** By name. May change; each request looks anew. */
  readonly views: ReadonlyMap<string, View>
  readonly status: StatusProvider
  readonly verbs: Verbs
  readonly logger: Logger
  readonly metrics: Metrics
  /** How long requests under way may take once the server closes. Default 2 s. */
  readonly drainMs?: number
}

export interface AdminServer {
  /** Answers requests from now on. @throws config-invalid where the address can't be had */
  listen(): Promise<Address>
  /** Takes no more requests, and lets what is under way end. May be repeated. */
  close(): Promise<void>
}

const DRAIN_MS = 2000

/** The admin listener: probes, metrics, what there is to know about the views, and what can be done with them. */
export function createAdmin(options: AdminOptions): AdminServer {
  const { host, port, drainMs = DRAIN_MS } = options
  return new Listener({ host, port, section: 'admin', drainMs }, adminApp(options))
}

function adminApp({ host, tokens, views, status, verbs, logger, metrics }: AdminOptions): Express {
  const viewOf = (name: string): View => {
    const view = views.get(name)
    if (view !== undefined) return view
    throw new LogfoldError('no-such-view', `There is no view ${JSON.stringify(name)}`, {
      remedy: 'GET /admin/views lists the views.',
    })
  }
  const app = newApp({ host, metrics })
  const get = (path: string, route: RequestHandler): unknown => app.route(path).get(route).all(onlyMethods('GET', 'HEAD'))
  app.use((_request, response, next) => {
    response.setHeader('Cache-Control', 'no-store')
    next()
  })
  get('/livez', livezRoute)
  get('/readyz', readyzRoute(status))
  get('/metrics', metricsRoute(metrics))
  get('/console', consoleRoute)
  app.use('/admin', access({ tokens, anonymous: isLoopback(host) ? ['read', 'write'] : [] }))
  get('/admin/views', async (request, response) => {
    readQuery(request.url, [])
    sendJson(response, 200, { views: await status.views(), unconfigured: status.unconfigured() })
  })
  app
    .route('/admin/views/:view')
    .get(async (request, response) => {
      readQuery(request.url, [])
      sendJson(response, 200, await status.view(viewOf(request.params.view).name))
    })
    .all(onlyMethods('GET', 'HEAD'))
  app.route('/admin/views/:view/deadletters').get(deadLettersRoute(viewOf)).all(onlyMethods('GET', 'HEAD'))
  app
    .route('/admin/views/:view/deadletters/:letter')
    .get(deadLetterRoute(viewOf))
    .delete(dropRoute(viewOf, verbs))
    .all(onlyMethods('GET', 'HEAD', 'DELETE'))
  app
    .route('/admin/views/:view/deadletters/:letter/replay')
    .post(...readsJson, replayRoute(viewOf, verbs))
    .all(onlyMethods('POST'))
  const verify = verifyRoutes(viewOf, verbs)
  app
    .route('/admin/views/:view/verify')
    .get(verify.show)
    .post(...readsJson, verify.start)
    .delete(verify.cancel)
    .all(onlyMethods('GET', 'HEAD', 'POST', 'DELETE'))
  for (const verb of reshardVerbs) {
    if (verb === 'verify') continue
    app
      .route(`/admin/views/:view/${reshardPaths[verb]}`)
      .post(...readsJson, reshardRoute(viewOf, verbs, verb))
      .all(onlyMethods('POST'))
  }
  app
    .route('/admin/reload')
    .post(...readsJson, reloadRoute(verbs))
    .all(onlyMethods('POST'))
  app.use(noSuchRoute)
  app.use(failures(logger))
  return app
}
