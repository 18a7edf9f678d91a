import type { Request, Response } from 'express'
import type { Serving, View } from '../generations/view.ts'
import { LogfoldError } from '../model/errors.ts'
import { awaitAfter, readAfter, vouchedPlaces } from './after.ts'
import type { ApiView } from './api-view.ts'
import { appliedPreference, readPrefer, waitMsOf } from './prefer.ts'
import { doubting } from './visibility.ts'

/** One read of a view: everything in it comes from the generation that served when it began. */
export interface Read {
  readonly serving: Serving
  /** Asks the store. @throws what the store throws */
  ask<T>(question: (serving: Serving) => Promise<T>): Promise<T>
  /** What `Logfold-Offset` has to say, now that the values are read; undefined where the client didn't ask with `Logfold-After`. */
  places(): Promise<string | undefined>
}

/**
 * Begins a read: finds what serves, and where the client sent `Logfold-After`, waits until the shards to be read have folded so far.
 * @throws view-folding, view-stopped, invalid-offset, not-caught-up, and what the store throws
 */
export async function beginRead(
  apiView: ApiView,
  request: Request,
  response: Response,
  shardsOf: (serving: Serving) => readonly string[],
): Promise<Read> {
  const { view, visibility } = apiView
  const serving = view.serving()
  response.setHeader('Logfold-Generation', String(serving.generation.number))
  response.setHeader('Cache-Control', 'no-cache')
  const header = request.get('Logfold-After')
  const shards = shardsOf(serving)
  const targets = header === undefined ? [] : readAfter(header, serving.generation.partitions)
  if (header !== undefined) {
    const prefer = readPrefer(request.headers.prefer)
    await awaitAfter(apiView, serving, shards, targets, waitMsOf(prefer))
    const applied = appliedPreference(prefer)
    if (applied !== undefined) response.setHeader('Preference-Applied', applied)
  }
  return {
    serving,
    ask: question => {
      markStale(view, shards, response)
      return doubting(view, () => question(serving))
    },
    places: async () => (header === undefined ? undefined : vouchedPlaces(visibility, serving, shards, targets)),
  }
}

/** Says that the values may be old. @throws view-behind where the view doesn't serve old values, or the head of the answer is gone without saying so */
function markStale(view: View, shards: readonly string[], response: Response): void {
  if (view.assess(shards) === 'current') return
  if (!response.headersSent) response.setHeader('Logfold-Stale', 'true')
  else if (!response.hasHeader('Logfold-Stale')) throw new LogfoldError('view-behind', `A shard of ${view.name} fell behind while it was listed`)
}

/** Sets `Logfold-Offset`, after the values were read. */
export async function setPlaces(response: Response, read: Read): Promise<void> {
  const places = await read.places()
  if (places !== undefined) response.setHeader('Logfold-Offset', places)
}

/** The shards that own these ids, each once. */
export const ownersOf = ({ backend }: Serving, ids: readonly string[]): readonly string[] => [...new Set(ids.map(id => backend.owner(id)))]
