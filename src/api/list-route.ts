import type { Request, RequestHandler, Response } from 'express'
import type { Serving } from '../generations/view.ts'
import { LogfoldError } from '../model/errors.ts'
import type { Entry, ListOptions, Page } from '../model/view-backend.ts'
import type { ApiViews } from './api-view.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { checkPrefix, type ListQuery, readListQuery } from './list-query.ts'
import { type ListShape, ListWriter, linesShape, objectShape, pageShape } from './list-shape.ts'
import { pages, write } from './list-stream.ts'
import { ownersOf, type Read, reading, setPlaces } from './read.ts'

type Query<Kind extends ListQuery['kind']> = Extract<ListQuery, { kind: Kind }>

/** `GET│HEAD /api/:view`: all entries as a stream, a page of them, or some by id. */
export const listRoute =
  (views: ApiViews): RequestHandler<{ view: string }> =>
  async (request, response) => {
    const apiView = views.get(request.params.view)
    const query = readListQuery(request.url)
    response.vary('Accept')
    const lines = acceptsLines(request)
    const shards = (serving: Serving): readonly string[] => (query.kind === 'ids' ? ownersOf(serving, query.ids) : serving.backend.shards)
    await reading(apiView, request, response, shards, async read => {
      checkPrefix(query, read.serving)
      if (query.kind === 'ids') await sendByIds(response, read, query, lines ? linesShape : objectShape)
      else if (query.kind === 'page') await sendPage(response, read, query, lines)
      else await streamAll(request, response, read, query, lines ? linesShape : objectShape)
    })
  }

/** @throws not-acceptable */
function acceptsLines(request: Request): boolean {
  const accepted = request.accepts([objectShape.contentType, linesShape.contentType])
  if (accepted !== false) return accepted === linesShape.contentType
  throw new LogfoldError('not-acceptable', `A list is not written as ${request.get('Accept')}`, {
    remedy: `Accept ${objectShape.contentType} or ${linesShape.contentType}.`,
  })
}

async function sendByIds(response: Response, read: Read, { ids }: Query<'ids'>, shape: ListShape): Promise<void> {
  const values = await read.ask(({ reader }) => reader.get(ids))
  await setPlaces(response, read)
  const { deadLetters } = read.serving
  if (ids.some(id => deadLetters.unresolved(id))) response.setHeader('Logfold-Unresolved', 'true')
  const entries = ids.flatMap((id, at) => {
    const value = values[at]
    return value === undefined ? [] : [{ id, value }]
  })
  sendEntries(response, read, entries, shape)
}

async function sendPage(response: Response, read: Read, query: Query<'page'>, lines: boolean): Promise<void> {
  const { generation } = read.serving
  const cursor = query.cursor === undefined ? undefined : decodeCursor(generation, query.cursor)
  const page = await firstEntries(read, { limit: query.limit, prefix: query.prefix, cursor })
  await setPlaces(response, read)
  const next = page.cursor === undefined ? null : encodeCursor(generation, page.cursor)
  if (next !== null) response.setHeader('Link', `<${nextAddress(generation.view, query, next)}>; rel="next"`)
  sendEntries(response, read, page.entries, lines ? linesShape : pageShape(next))
}

/** A store may answer with no entries before the end; a client gets some, unless there are none. */
async function firstEntries(read: Read, options: ListOptions): Promise<Page> {
  let page = await read.ask(({ reader }) => reader.list(options))
  while (page.entries.length === 0 && page.cursor !== undefined) {
    const { cursor } = page
    page = await read.ask(({ reader }) => reader.list({ ...options, cursor }))
  }
  return page
}

function nextAddress(view: string, { limit, prefix }: Query<'page'>, next: string): string {
  const parameters = [`limit=${limit}`, ...(prefix === undefined ? [] : [`prefix=${encodeURIComponent(prefix)}`]), `cursor=${next}`]
  return `/api/${view}?${parameters.join('&')}`
}

/**
 * The first page comes before the head of the answer, so that a store that is away is still a problem document. `Logfold-Offset` has to be taken
 * after the values, so here it is a trailer.
 */
async function streamAll(request: Request, response: Response, read: Read, query: Query<'all'>, shape: ListShape): Promise<void> {
  const writer = new ListWriter(shape, read.serving.generation.format)
  const list = (limit: number, cursor: string | undefined): Promise<Page> =>
    read.ask(({ reader }) => reader.list({ limit, prefix: query.prefix, cursor }))
  for await (const entries of pages(list)) {
    if (!response.headersSent) {
      response.setHeader('Content-Type', shape.contentType)
      if (request.get('Logfold-After') !== undefined) response.setHeader('Trailer', 'Logfold-Offset')
      response.flushHeaders()
      if (request.method === 'HEAD') break
    }
    await write(response, writer.entries(entries))
  }
  const places = await read.places()
  if (places !== undefined && request.method !== 'HEAD') response.addTrailers({ 'Logfold-Offset': places })
  response.end(writer.end())
}

function sendEntries(response: Response, read: Read, entries: readonly Entry[], shape: ListShape): void {
  const writer = new ListWriter(shape, read.serving.generation.format)
  const body = Buffer.concat([writer.entries(entries), Buffer.from(writer.end())])
  response.setHeader('Content-Type', shape.contentType)
  response.setHeader('Content-Length', body.length)
  response.end(body)
}
