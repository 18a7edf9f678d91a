import type { Express } from 'express'
import type { View } from '../generations/view.ts'
import { newApp } from '../http/app.ts'
import { access } from '../http/auth.ts'
import { failures, noSuchRoute, onlyMethods } from '../http/failures.ts'
import { type Address, Listener } from '../http/listener.ts'
import { asRoute } from '../http/timing.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Scope, Token } from '../model/access.ts'
import type { Logger } from '../model/logger.ts'
import { ApiViews } from './api-view.ts'
import { cors } from './cors.ts'
import { entryRoute } from './entry-route.ts'
import { listRoute } from './list-route.ts'
import { staticFiles } from './static-files.ts'
import { viewsRoute } from './views-route.ts'
import { deleteRoute, postRoute, putRoute } from './write-route.ts'

/** The section `http` of the config, defaults filled in. */
export interface HttpOptions {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
  /** The folder of the static app; without it there is none. */
  readonly static?: string | undefined
  /** Origins whose pages may use the API. */
  readonly cors: readonly string[]
  /** Longest body of a single write. */
  readonly bodyBytesMax: number
  /** What needs no token. */
  readonly anonymous: readonly Scope[]
  readonly tokens: Readonly<Record<string, Token>>
}

export interface ApiOptions {
  /** By name. May change; each request looks anew. */
  readonly views: ReadonlyMap<string, View>
  readonly http: HttpOptions
  readonly logger: Logger
  readonly metrics: Metrics
  /** How long requests under way may take once the server closes. Default 12 s. */
  readonly drainMs?: number
}

export interface ApiServer {
  /** Answers requests from now on. @throws config-invalid where the address can't be had */
  listen(): Promise<Address>
  /** Takes no more requests, ends waits as if their time were up, and lets what is under way end. May be repeated. */
  close(): Promise<void>
}

/** Longer than a write is tried, so that one that was begun just before is still told what became of it. */
const DRAIN_MS = 12_000

/** The public listener: the REST API, and the static app. */
export function createApi(options: ApiOptions): ApiServer {
  const { host, port } = options.http
  const views = new ApiViews(options.views)
  const listener = new Listener({ host, port, section: 'http', drainMs: options.drainMs ?? DRAIN_MS }, apiApp(options, views))
  return {
    listen: () => listener.listen(),
    close: () => {
      const closed = listener.close()
      views.close()
      return closed
    },
  }
}

function apiApp({ http, logger, metrics }: ApiOptions, views: ApiViews): Express {
  const app = newApp({ host: http.host, metrics })
  app.use('/api', cors(http.cors), access(http))
  app.route('/api').get(viewsRoute(views)).all(onlyMethods('GET', 'HEAD'))
  app
    .route('/api/:view')
    .get(listRoute(views))
    .post(postRoute(views, http))
    .all(onlyMethods('GET', 'HEAD', 'POST'))
  app
    .route('/api/:view/:id')
    .get(entryRoute(views))
    .put(putRoute(views, http))
    .delete(deleteRoute(views))
    .all(onlyMethods('GET', 'HEAD', 'PUT', 'DELETE'))
  app.use('/api', noSuchRoute)
  if (http.static !== undefined) app.use(asRoute('static'), staticFiles(http.static))
  app.use(noSuchRoute)
  app.use(failures(logger))
  return app
}
