import type { Control, Order } from '../generations/control.ts'
import type { Coordination } from '../generations/coordination.ts'
import { tooOld } from '../generations/first.ts'
import type { LiveGenerationOptions } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { Living } from '../generations/roll.ts'
import type { Refusal, ViewState } from '../generations/state.ts'
import { orAborted } from '../model/bounded.ts'
import type { Log } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { ReshardAnswer, ReshardCheck, ReshardPlan, ReshardRequest, ReshardVerb } from '../model/reshard.ts'
import { checkOf, checksOf, commandRefused, liveOf, overridden, standInTheWay } from './checklist.ts'
import { unverified } from './checks.ts'
import { creationOf } from './creation.ts'
import { type MovingVerb, meantBy } from './meant.ts'
import { refusalText } from './refusals.ts'

export interface OrdersOptions {
  readonly coordination: Pick<Coordination, 'control' | 'presence'>
  readonly log: Log
  /** Backend of the config → names of its shards, as the config has them now. */
  readonly backends: () => Readonly<Record<string, readonly string[]>>
  readonly openStore: LiveGenerationOptions['openStore']
  readonly logger: Logger
}

/** All but the status, which whoever answers looks up afterwards. */
export type Ordered = Omit<ReshardAnswer, 'status'>

/** What an operator asks for, and the state that it meets. */
interface Asked {
  readonly view: LiveView
  readonly verb: ReshardVerb
  readonly request: ReshardRequest
  readonly control: Control
  readonly state: ViewState
  readonly signal: AbortSignal
}

/** What is to be sent, and what speaks for and against it. */
interface Proposal {
  readonly generation: number
  readonly checks: readonly ReshardCheck[]
  readonly plan: ReshardPlan | null
  /** Undefined where it is so already, or no generation is what the verb is for. */
  readonly order: Order | undefined
}

/**
 * Does what operators ask for: looks which generation is meant, checks, and sends the command. What was checked is what is sent: if another command
 * came meanwhile, it is looked at once more, and given up where the next one comes, or another generation would be meant.
 */
export class Orders {
  readonly #options: OrdersOptions

  constructor(options: OrdersOptions) {
    this.#options = options
  }

  /**
   * Without a certain outcome it throws, and says whether the command was sent. A dry run sends nothing, and
   * refuses nothing that it can tell of as a check.
   * @throws command-refused with what speaks against it; backend-unknown; too-old; too-large; log-unavailable, outcome-unknown; what keeps the view
   * or its topic from being known; the signal's reason, where it comes before anything was sent
   */
  async reshard(view: LiveView, verb: ReshardVerb, request: ReshardRequest, signal: AbortSignal): Promise<Ordered> {
    let before: Proposal | undefined
    for (;;) {
      const asked: Asked = { view, verb, request, signal, ...(await this.#upToDate(view, signal)) }
      const proposal = await this.#proposal(asked)
      if (before !== undefined && !isTheSame(verb, before, proposal)) throw tooSlow(asked, before)
      const answer = await this.#carryOut(asked, proposal)
      if (answer !== undefined) return answer
      if (before !== undefined) throw tooSlow(asked, proposal)
      before = proposal
    }
  }

  async #upToDate(view: LiveView, signal: AbortSignal): Promise<Pick<Asked, 'control' | 'state'>> {
    const control = this.#options.coordination.control()
    await control.upToDate(signal)
    const state = control.state(view.name)
    if (state.halted !== undefined) throw tooOld(view.name, state.halted.format)
    // Says what keeps the first generation from being made.
    if (state.generations.length === 0) view.source()
    await orAborted(view.known(), signal)
    return { control, state }
  }

  async #proposal(asked: Asked): Promise<Proposal> {
    const { verb, request } = asked
    const proposal = verb === 'create' || verb === 'rebuild' ? await this.#creation(asked, verb) : await this.#move(asked, verb)
    return { ...proposal, checks: overridden(proposal.checks, request.force) }
  }

  async #creation(asked: Asked, verb: 'create' | 'rebuild'): Promise<Proposal> {
    const { log, backends, openStore } = this.#options
    return await creationOf({ ...asked, verb, log, backends: backends(), openStore, living: this.#living(asked.signal) })
  }

  async #move({ view, state, request, signal }: Asked, verb: MovingVerb): Promise<Proposal> {
    const meant = meantBy(view.name, state, verb, request)
    if (meant.kind === 'unfit') {
      const check = refusalCheck(view.name, state, meant.reason, meant.number)
      return { generation: meant.number, checks: [check], plan: null, order: undefined }
    }
    const { number } = meant.of
    const itIs = (why: string): Proposal => ({
      generation: number,
      checks: [checkOf('state', undefined, `${view.name}@${number} ${why}`, null)],
      plan: null,
      order: undefined,
    })
    if (meant.kind === 'nothing') return itIs(meant.why)
    if (verb === 'verify' && (await orAborted(unverified(liveOf(view, number)), signal)) === undefined) return itIs('is verified already')
    const parts = { view, state, of: meant.of, force: request.force, living: this.#living(signal), signal }
    return { generation: number, checks: await orAborted(checksOf(verb, parts), signal), plan: null, order: meant.order }
  }

  #living(signal: AbortSignal): () => Promise<readonly Living[]> {
    return async () => await this.#options.coordination.presence().certainlyLiving(signal)
  }

  /** Undefined where another command came since the state was looked at, and nothing was done. */
  async #carryOut(asked: Asked, { generation, checks, plan, order }: Proposal): Promise<Ordered | undefined> {
    const { verb, control, state, signal } = asked
    const { name: view } = asked.view
    const { dryRun, by } = asked.request
    const answered = (outcome: Ordered['outcome']): Ordered => ({ view, verb, generation, outcome, checks, plan })
    const failed = standInTheWay(checks)
    if (order === undefined && failed.length === 0) return answered('nothing')
    if (dryRun) return answered('would')
    if (failed.length > 0 || order === undefined) throw commandRefused(view, verb, failed)
    // Synchronously before it is sent, which goes by what is folded then.
    if (control.state(view).last !== state.last) return undefined
    const forced = checks.filter(check => check.forced).map(({ name }) => name)
    const sent = await control.send(forced.length === 0 ? order : { ...order, forced }, signal, by)
    if (sent.kind === 'accepted') {
      this.#options.logger.info('A command was accepted', { view, command: order.command, generation, forced, by })
      return answered('accepted')
    }
    if (sent.reason === 'out-of-date' || sent.reason === 'halted') return undefined
    throw refusedNow(asked, sent.reason, generation)
  }
}

/** What is made has no number of its own until it is; everything else is about the generation that the operator saw. */
const isTheSame = (verb: ReshardVerb, before: Proposal, now: Proposal): boolean =>
  verb === 'create' || verb === 'rebuild' || before.generation === now.generation

const tooSlow = (asked: Asked, { generation }: Proposal): Error => refusedNow(asked, 'out-of-date', generation)

/** In the words of the state by now. */
const refusedNow = ({ view: { name }, verb, control }: Asked, reason: Refusal, generation: number): Error =>
  commandRefused(name, verb, [refusalCheck(name, control.state(name), reason, generation)])

function refusalCheck(view: string, state: ViewState, reason: Refusal, generation: number): ReshardCheck {
  const { detail, remedy } = refusalText(view, state, reason, generation)
  return checkOf(reason, detail, '', remedy)
}
