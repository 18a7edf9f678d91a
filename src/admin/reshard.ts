import type { RequestHandler } from 'express'
import type { View } from '../generations/view.ts'
import { invalidParameter, readQuery } from '../http/query.ts'
import { sendJson } from '../http/send.ts'
import { limits } from '../model/limits.ts'
import { type Forceable, forceable, type ReshardRequest, type ReshardVerb } from '../model/reshard.ts'
import { UNTIL, type Until } from '../model/until.ts'
import { members } from './body.ts'
import type { Verbs } from './verbs.ts'

type Route = RequestHandler<{ view: string }>

/** Characters of a name. */
const TEXT_MAX = 200

/** What a body may say to a verb. A member that would do nothing is refused, as whoever sends it expects something of it. */
const known: Readonly<Record<ReshardVerb, readonly string[]>> = {
  create: ['to', 'until', 'rate', 'dryRun', 'force', 'by'],
  rebuild: ['until', 'rate', 'dryRun', 'force', 'by'],
  resume: ['until', 'rate', 'dryRun', 'by'],
  verify: ['next', 'dryRun', 'by'],
  switch: ['dryRun', 'force', 'by'],
  reverse: ['dryRun', 'force', 'by'],
  complete: ['dryRun', 'force', 'by'],
  cancel: ['dryRun', 'force', 'by'],
  pause: ['dryRun', 'by'],
}

/** The verbs that have an address of their own, and its last part. `verify` shares one with the verify of what serves. */
export const reshardPaths: Readonly<Record<Exclude<ReshardVerb, 'verify'>, string>> = {
  create: 'reshard',
  rebuild: 'rebuild',
  switch: 'switch',
  reverse: 'reverse',
  complete: 'complete',
  cancel: 'cancel',
  pause: 'pause',
  resume: 'resume',
}

/** `POST /admin/views/:view/VERB`: 202 where the command stands; 200 where it was a dry run, or is so already; 409 with what speaks against it. */
export const reshardRoute =
  (viewOf: (name: string) => View, verbs: Verbs, verb: ReshardVerb): Route =>
  async (request, response) => {
    const { name } = viewOf(request.params.view)
    readQuery(request.url, [])
    const answer = await verbs.reshard(name, verb, reshardRequest(request.body, verb))
    sendJson(response, answer.outcome === 'accepted' ? 202 : 200, answer)
  }

/** `POST /admin/reload`: reads the config again; 409 with each change that needs a restart, and then none is taken. */
export const reloadRoute =
  (verbs: Verbs): RequestHandler =>
  async (request, response) => {
    readQuery(request.url, [])
    members(request.body, [])
    sendJson(response, 200, await verbs.reload())
  }

/** @throws invalid-request, unknown-parameter, invalid-parameter */
function reshardRequest(body: unknown, verb: ReshardVerb): ReshardRequest {
  const { to, until, rate, dryRun = false, force = [], by } = members(body, known[verb])
  if (typeof dryRun !== 'boolean') throw wrong('dryRun', dryRun, 'Send true or false.')
  if (until !== undefined && !isUntil(until)) throw wrong('until', until, `Send one of ${UNTIL.join(', ')}.`)
  if (rate !== undefined && !isRate(rate)) {
    throw wrong('rate', rate, `Send a whole number from 1 to ${limits.buildRateMax}, records a second and worker, or null: as fast as it can.`)
  }
  if (!isForce(force)) throw wrong('force', force, `Send an array of names: ${forceable.join(', ')}.`)
  return { to: text('to', to), until, rate, dryRun, force, by: text('by', by) }
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && value !== '' && value.length <= TEXT_MAX) return value
  throw wrong(name, value, `Send a text of 1 to ${TEXT_MAX} characters.`)
}

const isUntil = (value: unknown): value is Until => UNTIL.some(each => each === value)

const isRate = (value: unknown): value is number | null =>
  value === null || (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= limits.buildRateMax)

const isForce = (value: unknown): value is readonly Forceable[] => Array.isArray(value) && value.every(each => forceable.some(name => name === each))

const wrong = (name: string, value: unknown, remedy: string): Error => invalidParameter(name, `It is ${JSON.stringify(value)}`, remedy)
