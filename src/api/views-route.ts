import type { RequestHandler } from 'express'
import type { View } from '../generations/view.ts'
import { readQuery } from '../http/query.ts'
import { sendJson } from '../http/send.ts'
import { type ApiViews, isWritable, servingNow } from './api-view.ts'

/** `GET /api`: what views there are. */
export const viewsRoute =
  (views: ApiViews): RequestHandler =>
  (request, response) => {
    readQuery(request.url, [])
    response.setHeader('Cache-Control', 'no-cache')
    sendJson(response, 200, { views: views.all().map(describe) })
  }

const describe = (view: View): unknown => ({
  name: view.name,
  format: view.definition.format,
  ordered: view.definition.ordered,
  lookups: [],
  writable: isWritable(view),
  /** Null while nothing serves. */
  generation: servingNow(view)?.generation.number ?? null,
})
