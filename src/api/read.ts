import type { Request, Response } from 'express'
import type { Serving, View } from '../generations/view.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { awaitAfter, readAfter, vouchedPlaces } from './after.ts'
import { type ApiView, servingNow } from './api-view.ts'
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

const LATE_READ_MS = 60_000

/**
 * What a store says that no longer holds what it was asked for, or the log that no longer has what it was folded from; perhaps as another
 * generation serves by now.
 */
const GONE = ['view-lost', 'view-folding', 'foreign-store', 'closed', 'topic-mismatch', 'topic-missing'] as const

/**
 * Does a read, from what serves; and where that turns out to be gone before anything was answered, from what serves then. So long the generation
 * isn't taken away; a read that takes longer than it may is cut off.
 * @throws view-folding, view-stopped, invalid-offset, not-caught-up, topic-mismatch, topic-missing, and what the store throws
 */
export async function reading(
  apiView: ApiView,
  request: Request,
  response: Response,
  shardsOf: (serving: Serving) => readonly string[],
  work: (read: Read) => Promise<void>,
): Promise<void> {
  const { view } = apiView
  for (let serving: Serving | undefined; ; serving = undefined) {
    try {
      serving = view.serving()
      await held(serving, response, async () => await work(await beginRead(apiView, serving as Serving, request, response, shardsOf)))
      return
    } catch (error) {
      if (response.headersSent || !(await mayRetry(view, serving, error))) throw error
      response.removeHeader('Logfold-Stale')
    }
  }
}

/** Whether what this failed on is gone, and reads are answered from another generation by now. */
async function mayRetry(view: View, serving: Serving | undefined, error: unknown): Promise<boolean> {
  if (!isLogfoldError(error)) return false
  // What was waited for may never come to what is fed no more.
  if (error.code === 'not-caught-up') return servingNow(view)?.generation.uid !== serving?.generation.uid
  return GONE.some(code => code === error.code) && (await view.movedOn(serving))
}

async function held(serving: Serving, response: Response, work: () => Promise<void>): Promise<void> {
  const release = serving.hold()
  // What hasn't begun to answer is answered from what serves then.
  const cut = (): unknown => response.headersSent && response.destroy()
  // This process still answers from what leaves: it can't read what serves. Nor may what begins now go on for ever.
  const ending = serving.ending.aborted ? AbortSignal.timeout(LATE_READ_MS) : serving.ending
  ending.addEventListener('abort', cut)
  try {
    await work()
  } finally {
    ending.removeEventListener('abort', cut)
    release()
  }
}

/** Where the client sent `Logfold-After`, waits until the shards to be read have folded so far. */
async function beginRead(
  apiView: ApiView,
  serving: Serving,
  request: Request,
  response: Response,
  shardsOf: (serving: Serving) => readonly string[],
): Promise<Read> {
  const { view, visibility } = apiView
  response.setHeader('Logfold-Generation', String(serving.generation.number))
  response.setHeader('Cache-Control', 'no-cache')
  const header = request.get('Logfold-After')
  const shards = shardsOf(serving)
  const targets = header === undefined ? [] : readAfter(header, serving.generation.partitions)
  if (header !== undefined) {
    const prefer = readPrefer(request.headers.prefer)
    await awaitAfter(visibility, serving, shards, targets, waitMsOf(prefer))
    const applied = appliedPreference(prefer)
    if (applied !== undefined) response.setHeader('Preference-Applied', applied)
  }
  return {
    serving,
    ask: question => {
      markStale(view, serving, shards, response)
      return doubting(serving, () => question(serving))
    },
    places: async () => (header === undefined ? undefined : vouchedPlaces(visibility, serving, shards, targets)),
  }
}

/**
 * Says that the values may be old.
 * @throws view-behind where the view doesn't serve old values, or the head of the answer is gone without saying so
 */
function markStale({ name }: View, serving: Serving, shards: readonly string[], response: Response): void {
  if (serving.assess(shards) === 'current') return
  if (!response.headersSent) response.setHeader('Logfold-Stale', 'true')
  else if (!response.hasHeader('Logfold-Stale')) throw new LogfoldError('view-behind', `A shard of ${name} fell behind while it was listed`)
}

/** Sets `Logfold-Offset`, after the values were read. */
export async function setPlaces(response: Response, read: Read): Promise<void> {
  const places = await read.places()
  if (places !== undefined) response.setHeader('Logfold-Offset', places)
}

/** The shards that own these ids, each once. */
export const ownersOf = ({ backend }: Serving, ids: readonly string[]): readonly string[] => [...new Set(ids.map(id => backend.owner(id)))]
