import type { Request, RequestHandler, Response } from 'express'
import type { Serving } from '../generations/view.ts'
import { readQuery } from '../http/query.ts'
import { LogfoldError } from '../model/errors.ts'
import type { ViewFormat } from '../model/generation.ts'
import type { ApiViews } from './api-view.ts'
import { etagOf, matchesNone } from './etag.ts'
import { checkedId } from './faults.ts'
import { ownersOf, type Read, reading, setPlaces } from './read.ts'

const contentTypes: Readonly<Record<ViewFormat, string>> = {
  json: 'application/json',
  text: 'text/plain; charset=utf-8',
  bytes: 'application/octet-stream',
}

/** `GET│HEAD /api/:view/:id`: the stored bytes. */
export const entryRoute =
  (views: ApiViews): RequestHandler<{ view: string; id: string }> =>
  async (request, response) => {
    const { view, id } = request.params
    const apiView = views.get(view)
    readQuery(request.url, [])
    checkedId(id)
    const shards = (serving: Serving): readonly string[] => ownersOf(serving, [id])
    await reading(apiView, request, response, shards, read => sendEntry(view, id, read, request, response))
  }

async function sendEntry(view: string, id: string, read: Read, request: Request<object>, response: Response): Promise<void> {
  const { generation, deadLetters } = read.serving
  const [value] = await read.ask(({ reader }) => reader.get([id]))
  await setPlaces(response, read)
  if (deadLetters.unresolved(id)) response.setHeader('Logfold-Unresolved', 'true')
  if (value === undefined) {
    throw new LogfoldError('no-such-entry', `${view} has no entry ${JSON.stringify(id)}`, {
      remedy: `GET /api/${view} lists the entries.`,
    })
  }
  const etag = etagOf(value)
  response.setHeader('ETag', etag)
  if (matchesNone(request.get('If-None-Match'), etag)) {
    response.statusCode = 304
    response.end()
    return
  }
  response.setHeader('Content-Type', contentTypes[generation.format])
  response.setHeader('Content-Length', value.length)
  response.end(value)
}
