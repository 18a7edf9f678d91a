import type { Order } from '../generations/control.ts'
import { type GenerationState, LEFT, ofRole, type Refusal, type Role, type ViewState } from '../generations/state.ts'
import type { ReshardRequest, ReshardVerb } from '../model/reshard.ts'
import { further } from '../model/until.ts'

/** Those that are about a generation that is there. */
export type MovingVerb = Exclude<ReshardVerb, 'create' | 'rebuild'>

/**
 * What a verb means in this state, as far as the commands tell: whether a verification is void, say, only the stores do.
 * - order: this is to be sent, if nothing speaks against it.
 * - nothing: it is so already.
 * - unfit: no generation is what the verb is for; the number is the one that stands there instead.
 */
export type Meant =
  | { readonly kind: 'order'; readonly of: GenerationState; readonly order: Order }
  | { readonly kind: 'nothing'; readonly of: GenerationState; readonly why: string }
  | { readonly kind: 'unfit'; readonly number: number; readonly reason: Refusal }

interface Asked {
  readonly view: string
  readonly state: ViewState
  readonly request: ReshardRequest
}

export function meantBy(view: string, state: ViewState, verb: MovingVerb, request: ReshardRequest): Meant {
  return verbs[verb]({ view, state, request })
}

const verbs: Readonly<Record<MovingVerb, (asked: Asked) => Meant>> = {
  switch: asked => {
    const next = the(asked, 'next')
    if (next !== undefined) return order(asked, next, 'switch')
    const serving = the(asked, 'serving')
    // One that serves by its create was never switched to; and of one made since, somebody may expect that it serves.
    const switchedTo = serving !== undefined && serving.since !== serving.createdAt && serving.number === asked.state.highest
    return switchedTo ? nothing(serving, 'serves already') : unfit(asked, 'no-such-generation')
  },
  reverse: asked => {
    const previous = the(asked, 'previous')
    if (previous !== undefined) return order(asked, previous, 'reverse')
    const [next, serving] = [the(asked, 'next'), the(asked, 'serving')]
    if (next === undefined || serving === undefined) return unfit(asked, 'no-such-generation')
    // What is being built has its role by its create; by anything else it was reversed from.
    return next.since === next.createdAt ? unfit(asked, 'use-switch', next) : nothing(serving, 'serves again already')
  },
  complete: asked => ending(asked, 'complete', 'previous', 'next', 'use-cancel'),
  cancel: asked => ending(asked, 'cancel', 'next', 'previous', 'use-complete'),
  pause: asked => {
    const next = the(asked, 'next')
    if (next === undefined) return unfit(asked, 'not-next')
    if (next.paused) return nothing(next, 'is paused already')
    return steer(asked, next, { paused: true, why: 'An operator paused it' })
  },
  resume: asked => {
    const { until, rate } = asked.request
    const next = the(asked, 'next')
    if (next === undefined) return goOn(asked)
    const same = (until === undefined || until === next.until) && (rate === undefined || (rate ?? undefined) === next.rate)
    if (same && !next.paused) return nothing(next, 'is not paused')
    return steer(asked, next, { paused: false, ...(until === undefined ? {} : { until }), ...(rate === undefined ? {} : { rate }) })
  },
  verify: asked => {
    const next = the(asked, 'next')
    if (next === undefined) return unfit(asked, 'not-next')
    const until = further(next.until, 'verified')
    return until === next.until ? nothing(next, 'is verified by itself, and again where a shard is folded anew') : steer(asked, next, { until })
  },
}

/** What serves beside a previous one can still be told how far to go. */
function goOn(asked: Asked): Meant {
  const { until, rate } = asked.request
  const serving = the(asked, 'serving')
  if (serving === undefined || rate !== undefined || (until !== 'serving' && until !== 'completed')) return unfit(asked, 'not-next')
  return serving.until === until ? nothing(serving, `goes until ${until} already`) : steer(asked, serving, { until })
}

/** Of one that leaves already, it can only be said that what is left on a server may stay. */
function ending(asked: Asked, command: 'complete' | 'cancel', role: Role, other: Role, use: Refusal): Meant {
  const { state, request } = asked
  const meant = the(asked, role)
  if (meant !== undefined) return order(asked, meant, command)
  const leaving = state.generations.filter(each => each.role === 'leaving')
  const [kept] = leaving.filter(({ forsaken }) => !forsaken)
  if (kept !== undefined && request.force.includes(LEFT)) return order(asked, kept, command)
  const instead = the(asked, other)
  if (instead !== undefined) return unfit(asked, use, instead)
  const last = leaving.at(-1)
  return last === undefined ? unfit(asked, 'no-such-generation') : nothing(last, 'is being taken away already')
}

const the = ({ state }: Asked, role: Role): GenerationState | undefined => ofRole(state, role)

const order = ({ view }: Asked, of: GenerationState, command: 'switch' | 'reverse' | 'complete' | 'cancel'): Meant => ({
  kind: 'order',
  of,
  order: { command, view, generation: of.number },
})

const steer = ({ view }: Asked, of: GenerationState, how: Partial<Omit<Extract<Order, { command: 'steer' }>, 'command'>>): Meant => ({
  kind: 'order',
  of,
  order: { ...how, command: 'steer', view, generation: of.number },
})

const nothing = (of: GenerationState, why: string): Meant => ({ kind: 'nothing', of, why })

const unfit = (asked: Asked, reason: Refusal, instead = the(asked, 'serving')): Meant => ({
  kind: 'unfit',
  number: instead?.number ?? asked.state.highest,
  reason,
})
