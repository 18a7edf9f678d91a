import type { RequestHandler } from 'express'
import type { View } from '../generations/view.ts'
import { invalidParameter, readQuery } from '../http/query.ts'
import { sendJson } from '../http/send.ts'
import { LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { members } from './body.ts'
import { reshardRoute } from './reshard.ts'
import type { StatusDocument } from './status.ts'
import type { Verbs, VerifyRequest } from './verbs.ts'

type Route = RequestHandler<{ view: string }>

export interface VerifyRoutes {
  /**
   * `POST`, `{repair?, rate?}`: starts it or joins the one under way. 202 with its status. With `{next: true}` it isn't what serves that is meant,
   * but the generation that is to: then it is a verb of generations like the others, and answers as they do.
   */
  readonly start: Route
  /** `GET`: how it goes, or how the last one went. */
  readonly show: Route
  /** `DELETE`: ends it; the status of what was done until then. */
  readonly cancel: Route
}

export function verifyRoutes(viewOf: (name: string) => View, verbs: Verbs): VerifyRoutes {
  const verifyNext = reshardRoute(viewOf, verbs, 'verify')
  return {
    async start(request, response, next) {
      if (meansNext(request.body)) {
        await verifyNext(request, response, next)
        return
      }
      const { name } = viewOf(request.params.view)
      readQuery(request.url, [])
      sendJson(response, 202, await verbs.verify(name, verifyRequest(request.body)))
    },
    show(request, response) {
      const { name } = viewOf(request.params.view)
      readQuery(request.url, [])
      sendJson(response, 200, known(name, verbs.verifyStatus(name)))
    },
    async cancel(request, response) {
      const { name } = viewOf(request.params.view)
      readQuery(request.url, [])
      sendJson(response, 200, known(name, await verbs.cancelVerify(name)))
    },
  }
}

const meansNext = (body: unknown): boolean => typeof body === 'object' && body !== null && 'next' in body && body.next === true

function verifyRequest(body: unknown): VerifyRequest {
  const { repair = false, rate, next = false } = members(body, ['repair', 'rate', 'next'])
  if (next !== false) throw invalidParameter('next', `It is ${JSON.stringify(next)}`, 'Send true or false.')
  if (typeof repair !== 'boolean') throw invalidParameter('repair', `It is ${JSON.stringify(repair)}`, 'Send true or false.')
  if (rate === undefined) return { repair }
  if (typeof rate !== 'number' || !Number.isInteger(rate) || rate < 1 || rate > limits.verifyRateMax) {
    throw invalidParameter(
      'rate',
      `It is ${JSON.stringify(rate)}`,
      `Send a whole number from 1 to ${limits.verifyRateMax}: records and entries a second.`,
    )
  }
  return { repair, rate }
}

function known(view: string, status: StatusDocument | undefined): StatusDocument {
  if (status !== undefined) return status
  throw new LogfoldError('not-verified', `${view} has not been verified by this process since it was started`, {
    remedy: `Start it: logfold verify ${view}. What another run has done is not lost.`,
  })
}
