import type { Control, Order } from '../generations/control.ts'
import type { Coordination } from '../generations/coordination.ts'
import { tooOld } from '../generations/first.ts'
import type { LiveGenerationOptions } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { Living } from '../generations/roll.ts'
import type { ViewState } from '../generations/state.ts'
import { orAborted } from '../model/bounded.ts'
import type { Log } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import type { ReshardAnswer, ReshardCheck, ReshardPlan, ReshardRequest, ReshardVerb } from '../model/reshard.ts'
import { checkOf, checksOf, commandRefused, known, overridden, standInTheWay } from './checklist.ts'
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

/** What is to be sent, and what speaks for and against it. */
interface Proposal {
  readonly generation: number
  readonly checks: readonly ReshardCheck[]
  readonly plan: ReshardPlan | null
  /** Undefined where it is so already, or no generation is what the verb is for. */
  readonly order: Order | undefined
}

/**
 * Does what operators ask for: looks which generation is meant, checks, and sends the command. What was checked is what is sent: if another command came meanwhile, it is looked at once more, and
 * given up where the next one comes, or another generation would be meant.
 */
export class Orders {
  readonly #options: OrdersOptions

  constructor(options: OrdersOptions) {
    this.#options = options
  }

  /**
   * Without a certain outcome it throws, and says whether the command was sent. A dry run sends nothing, and refuses nothing that it can tell of as a check.
   * @throws command-refused with what speaks against it; backend-unknown; too-old; too-large; log-unavailable, outcome-unknown; what keeps the view or its topic from being known; the signal's reason,
   * where it comes before anything was sent
   */
  async reshard(view: LiveView, verb: ReshardVerb, request: ReshardRequest, signal: AbortSignal): Promise<Ordered> {
    let before: Proposal | undefined
    for (;;) {
      const control = this.#options.coordination.control()
      await control.upToDate(signal)
      const state = control.state(view.name)
      if (state.halted !== undefined) throw tooOld(view.name, state.halted.format)
      // Says what keeps the first generation from being made.
      if (state.generations.length === 0) view.source()
      await orAborted(view.known(), signal)
      const proposal = await this.#proposal(view, state, verb, request, signal)
      if (before !== undefined && !isTheSame(verb, before, proposal)) throw this.#tooSlow(control, view.name, verb, before)
      const answer = await this.#carryOut(control, state, verb, request, proposal, view.name, signal)
      if (answer !== undefined) return answer
      if (before !== undefined) throw this.#tooSlow(control, view.name, verb, proposal)
      before = proposal
    }
  }

  async #proposal(view: LiveView, state: ViewState, verb: ReshardVerb, request: ReshardRequest, signal: AbortSignal): Promise<Proposal> {
    const { force } = request
    const proposal =
      verb === 'create' || verb === 'rebuild'
        ? await this.#creation(view, state, verb, request, signal)
        : await this.#move(view, state, verb, request, signal)
    return { ...proposal, checks: overridden(proposal.checks, force) }
  }

  async #creation(view: LiveView, state: ViewState, verb: 'create' | 'rebuild', request: ReshardRequest, signal: AbortSignal): Promise<Proposal> {
    const { coordination, log, backends, openStore } = this.#options
    return await creationOf({
      view,
      verb,
      state,
      request,
      control: coordination.control(),
      log,
      backends: backends(),
      openStore,
      living: this.#living(signal),
      signal,
    })
  }

  async #move(view: LiveView, state: ViewState, verb: MovingVerb, request: ReshardRequest, signal: AbortSignal): Promise<Proposal> {
    const meant = meantBy(view.name, state, verb, request)
    if (meant.kind === 'unfit') {
      const { detail, remedy } = refusalText(view.name, state, meant.reason, meant.number)
      return { generation: meant.number, checks: [checkOf(meant.reason, detail, '', remedy)], plan: null, order: undefined }
    }
    const { number } = meant.of
    const itIs = (why: string): Proposal => ({
      generation: number,
      checks: [checkOf('state', undefined, `${view.name}@${number} ${why}`, null)],
      plan: null,
      order: undefined,
    })
    if (meant.kind === 'nothing') return itIs(meant.why)
    if (verb === 'verify' && (await orAborted(unverified(known(view, number)), signal)) === undefined) return itIs('is verified already')
    const parts = { view, state, of: meant.of, force: request.force, living: this.#living(signal), signal }
    return { generation: number, checks: await orAborted(checksOf(verb, parts), signal), plan: null, order: meant.order }
  }

  #living(signal: AbortSignal): () => Promise<readonly Living[]> {
    return async () => await this.#options.coordination.presence().certainlyLiving(signal)
  }

  /** Undefined where another command came since the state was looked at, and nothing was done. */
  async #carryOut(
    control: Control,
    state: ViewState,
    verb: ReshardVerb,
    { dryRun, by }: ReshardRequest,
    { generation, checks, plan, order }: Proposal,
    view: string,
    signal: AbortSignal,
  ): Promise<Ordered | undefined> {
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
    throw commandRefused(view, verb, [refusalCheck(control, view, sent.reason, generation)])
  }

  #tooSlow(control: Control, view: string, verb: ReshardVerb, { generation }: Proposal): Error {
    return commandRefused(view, verb, [refusalCheck(control, view, 'out-of-date', generation)])
  }
}

/** What is made has no number of its own until it is; everything else is about the generation that the operator saw. */
const isTheSame = (verb: ReshardVerb, before: Proposal, now: Proposal): boolean =>
  verb === 'create' || verb === 'rebuild' || before.generation === now.generation

function refusalCheck(control: Control, view: string, reason: Parameters<typeof refusalText>[2], generation: number): ReshardCheck {
  const { detail, remedy } = refusalText(view, control.state(view), reason, generation)
  return checkOf(reason, detail, '', remedy)
}
