import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import type { Source, View } from '../generations/view.ts'
import { readQuery } from '../http/query.ts'
import { sendJson } from '../http/send.ts'
import { LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { formatPlace } from '../model/record.ts'
import { valueFault } from '../model/value.ts'
import { type ApiView, type ApiViews, isWritable, servingOf } from './api-view.ts'
import { append, offsetOf, recordOf } from './append.ts'
import { readBody } from './body.ts'
import { sendBulk } from './bulk.ts'
import { checkedId, faultError } from './faults.ts'
import { bodyType } from './media-type.ts'
import { appliedPreference, readPrefer, waitMsOf } from './prefer.ts'

export interface WriteLimits {
  /** Longest body of a single write. */
  readonly bodyBytesMax: number
}

/** `PUT /api/:view/:id` */
export const putRoute =
  (views: ApiViews, { bodyBytesMax }: WriteLimits): RequestHandler<{ view: string; id: string }> =>
  async (request, response) => {
    const apiView = beginWrite(views, request.params.view, request, response)
    const id = checkedId(request.params.id)
    bodyType(request.headers, apiView.view.definition.format, 'value only')
    const source = apiView.view.source()
    const value = await readValue(apiView.view, request, response, bodyBytesMax)
    await write(apiView, source, request, response, { id, value, status: 200 })
  }

/** `DELETE /api/:view/:id`: a tombstone, also when nothing was there. */
export const deleteRoute =
  (views: ApiViews): RequestHandler<{ view: string; id: string }> =>
  async (request, response) => {
    const apiView = beginWrite(views, request.params.view, request, response)
    const id = checkedId(request.params.id)
    await write(apiView, apiView.view.source(), request, response, { id, value: null, status: 200 })
  }

/** `POST /api/:view`: a new entry, or many lines. */
export const postRoute =
  (views: ApiViews, { bodyBytesMax }: WriteLimits): RequestHandler<{ view: string }> =>
  async (request, response) => {
    const apiView = beginWrite(views, request.params.view, request, response)
    const type = bodyType(request.headers, apiView.view.definition.format, 'bulk')
    const source = apiView.view.source()
    if (type === 'bulk') {
      await sendBulk(apiView, source, request, response)
      return
    }
    const value = await readValue(apiView.view, request, response, bodyBytesMax)
    const id = randomUUID()
    response.setHeader('Location', `/api/${apiView.view.name}/${id}`)
    await write(apiView, source, request, response, { id, value, status: 201 })
  }

const CONDITIONS = ['if-match', 'if-none-match', 'if-unmodified-since', 'if-modified-since']

/** @throws no-such-view, view-read-only, unknown-parameter, conditional-write-unsupported */
function beginWrite(views: ApiViews, name: string, request: Request<object>, response: Response): ApiView {
  const apiView = views.get(name)
  response.setHeader('Cache-Control', 'no-store')
  if (!isWritable(apiView.view)) {
    response.setHeader('Allow', 'GET, HEAD, OPTIONS')
    throw new LogfoldError('view-read-only', `${name} is not written through REST`, {
      remedy: 'Write to its topic, or set `writable: true` and a `partitioner` for the view in the config.',
    })
  }
  const { stopped } = apiView.view
  if (stopped !== undefined) throw stopped
  readQuery(request.url, [])
  const condition = CONDITIONS.find(header => request.headers[header] !== undefined)
  if (condition === undefined) return apiView
  throw new LogfoldError('conditional-write-unsupported', `A write cannot depend on ${condition}: the log has no compare-and-set`, {
    remedy: 'Leave the header out. The last write wins.',
    errors: [{ pointer: condition, detail: 'Not supported on a write' }],
  })
}

async function readValue(view: View, request: Request<object>, response: Response, bodyBytesMax: number): Promise<Buffer> {
  const { format } = view.definition
  const value = await readBody(request, response, Math.min(bodyBytesMax, limits.valueBytesMax))
  const fault = valueFault(format, value, view.schema)
  if (fault !== undefined) throw faultError(fault)
  if (format === 'json' && isNull(value)) {
    throw new LogfoldError('invalid-value', 'The value is null, which is not what deletes an entry', { remedy: 'Use DELETE.' })
  }
  return value
}

const isNull = (json: Buffer): boolean => /^[ \t\r\n]*null[ \t\r\n]*$/.test(json.toString('latin1'))

interface Write {
  readonly id: string
  /** Null deletes. */
  readonly value: Uint8Array | null
  /** Where the entry is seen to be visible; else it is 202. */
  readonly status: 200 | 201
}

/** Appends, waits until the entry is visible where that makes sense, and answers. */
async function write(apiView: ApiView, source: Source, request: Request<object>, response: Response, { id, value, status }: Write): Promise<void> {
  const record = recordOf(apiView.view, source, id, value)
  apiView.writeWait.prepare(source)
  const [outcome] = await append(source, [record])
  if (outcome === undefined) throw new LogfoldError('internal', 'The log gave no outcome')
  const offset = offsetOf(outcome, id)
  const place = formatPlace(record.partition, offset)
  response.setHeader('Logfold-Offset', place)
  const visible = await awaitVisible(apiView, source, request, response, id, { partition: record.partition, offset })
  sendJson(response, visible ? status : 202, { id, offset: place })
}

async function awaitVisible(
  { view, writeWait }: ApiView,
  { topic }: Source,
  request: Request<object>,
  response: Response,
  id: string,
  target: { readonly partition: number; readonly offset: number },
): Promise<boolean> {
  const prefer = readPrefer(request.headers.prefer)
  const applied = appliedPreference(prefer)
  const waitMs = waitMsOf(prefer)
  const serving = servingOf(view, topic)
  const outcome = serving === undefined ? 'not-waited' : await writeWait.visible(serving, serving.backend.owner(id), target, waitMs)
  if (applied !== undefined && (outcome !== 'not-waited' || waitMs === 0)) response.setHeader('Preference-Applied', applied)
  if (serving === undefined || outcome !== 'visible') return false
  response.setHeader('Logfold-Generation', String(serving.generation.number))
  return true
}
