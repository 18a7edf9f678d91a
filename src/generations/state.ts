import type { Offset } from '../model/record.ts'
import { further, type Until } from '../model/until.ts'
import type { Command, CommandName, Create, Newer, Pinned, Steer, Verified } from './command.ts'

/** The state of a view: the fold of its commands, pure and total. SPEC.md has the table. */

export type Role = 'next' | 'serving' | 'previous' | 'leaving'

export interface Verification {
  /** Shard → the opening that was verified: another one makes it void. */
  readonly openings: Readonly<Record<string, string>>
  readonly differences: number
  readonly unresolved: number
}

export interface GenerationState {
  readonly number: number
  /** Offset of its `create`, which nothing else has. */
  readonly createdAt: Offset
  readonly pinned: Pinned
  readonly role: Role
  /** Offset of the command that gave it its role. */
  readonly since: Offset
  readonly until: Until
  readonly paused: boolean
  /** Why it was paused, where that was said. */
  readonly why: string | undefined
  /** Records a second and worker; undefined: as fast as it can. */
  readonly rate: number | undefined
  readonly verification: Verification | undefined
  /** What is left on a server that won't come back may stay. */
  readonly forsaken: boolean
}

export interface ViewState {
  /** Offset of the last command that was accepted; -1 before the first. */
  readonly last: Offset
  /** The highest number given; 0 before the first. */
  readonly highest: number
  /** In the order of their numbers. */
  readonly generations: readonly GenerationState[]
  /** A command of this format came, which this process doesn't know: from there on the state isn't known. */
  readonly halted: { readonly at: Offset; readonly format: number } | undefined
}

export const nothingYet: ViewState = { last: -1, highest: 0, generations: [], halted: undefined }

export type Refusal =
  | 'out-of-date'
  | 'halted'
  | 'two-alive'
  | 'number-taken'
  | 'not-next'
  | 'not-verified'
  | 'not-leaving'
  | 'serves'
  | 'serves-already'
  | 'leaves'
  | 'use-switch'
  | 'use-reverse'
  | 'use-complete'
  | 'use-cancel'
  | 'no-such-generation'

export type Verdict = { readonly kind: 'accepted'; readonly state: ViewState } | { readonly kind: 'refused'; readonly reason: Refusal }

/** In a `switch`'s `forced`: it serves though no verification stands. */
export const UNVERIFIED = 'unverified'

/** In the `forced` of a `complete` or a `cancel`: what is left on a server that won't come back may stay. */
export const LEFT = 'left'

/** At most one is next, serving or previous; of those that leave, the one with the lowest number. */
export const ofRole = ({ generations }: ViewState, role: Role): GenerationState | undefined => generations.find(each => each.role === role)

export const isVerified = ({ verification }: GenerationState): boolean => verification?.differences === 0

/** What a command of a later format makes of the state of its view, where it fits. */
export function halt(state: ViewState, { format, after }: Newer, offset: Offset): ViewState {
  const fits = after === state.last && state.halted === undefined
  return fits ? { ...state, halted: { at: offset, format } } : state
}

/** Whether a command of this view fits at this offset, and what it makes of the state. */
export function judge(state: ViewState, command: Command, offset: Offset): Verdict {
  if (state.halted !== undefined) return refused('halted')
  if (command.after !== state.last) return refused('out-of-date')
  if (command.command === 'create') return create(state, command, offset)
  const meant = state.generations.find(({ number }) => number === command.generation)
  if (meant === undefined) return refused('no-such-generation')
  const reason = refusalOf(meant, command)
  return reason === undefined ? accepted(state, offset, apply(state, meant, command, offset)) : refused(reason)
}

const refused = (reason: Refusal): Verdict => ({ kind: 'refused', reason })

const accepted = (state: ViewState, offset: Offset, generations: readonly GenerationState[]): Verdict => ({
  kind: 'accepted',
  state: { ...state, last: offset, generations },
})

/** A serving one couldn't be rid of a pause or a rate: both are steered only while it is `next`. */
const unhindered = { paused: false, why: undefined, rate: undefined }

function create(state: ViewState, { generation, pinned, until, rate }: Create, offset: Offset): Verdict {
  if (generation <= state.highest) return refused('number-taken')
  const alive = state.generations.filter(({ role }) => role !== 'leaving')
  if (alive.some(({ role }) => role !== 'serving')) return refused('two-alive')
  const serves = alive.length === 0
  const made: GenerationState = {
    number: generation,
    createdAt: offset,
    pinned,
    role: serves ? 'serving' : 'next',
    since: offset,
    until: serves ? further(until, 'serving') : until,
    ...unhindered,
    rate: serves ? undefined : rate,
    verification: undefined,
    forsaken: false,
  }
  return accepted({ ...state, highest: generation }, offset, [...state.generations, made])
}

type Moving = Exclude<CommandName, 'create'>

/** By the role of the generation that is meant. What isn't in the table fits, as far as the role decides. */
const refusals: Readonly<Record<Moving, Partial<Readonly<Record<Role, Refusal>>>>> = {
  verified: { serving: 'not-next', previous: 'not-next', leaving: 'not-next' },
  steer: { previous: 'not-next', leaving: 'not-next' },
  switch: { serving: 'serves-already', previous: 'use-reverse', leaving: 'leaves' },
  reverse: { next: 'use-switch', serving: 'serves-already', leaving: 'leaves' },
  complete: { next: 'use-cancel', serving: 'serves' },
  cancel: { serving: 'serves', previous: 'use-complete' },
  dropped: { next: 'not-leaving', serving: 'not-leaving', previous: 'not-leaving' },
}

function refusalOf(meant: GenerationState, command: Exclude<Command, Create>): Refusal | undefined {
  const byRole = refusals[command.command][meant.role]
  if (byRole !== undefined) return byRole
  const { forced = [] } = command
  switch (command.command) {
    case 'switch':
      return isVerified(meant) || forced.includes(UNVERIFIED) ? undefined : 'not-verified'
    case 'steer':
      return meant.role === 'serving' && !steersServing(command) ? 'not-next' : undefined
    // Again only to say that what is left may stay.
    case 'complete':
    case 'cancel':
      return meant.role === 'leaving' && !forced.includes(LEFT) ? 'leaves' : undefined
    default:
      return undefined
  }
}

const steersServing = ({ until, paused, rate, why }: Steer): boolean =>
  (until === 'serving' || until === 'completed') && paused === undefined && rate === undefined && why === undefined

function apply({ generations }: ViewState, meant: GenerationState, command: Exclude<Command, Create>, offset: Offset): readonly GenerationState[] {
  const change = (changed: Partial<GenerationState>): readonly GenerationState[] =>
    generations.map(each => (each === meant ? { ...each, ...changed } : each))
  const goOver = (to: Partial<GenerationState>, from: Partial<GenerationState>): readonly GenerationState[] =>
    generations.map(each => {
      if (each === meant) return { ...each, ...to, role: 'serving', since: offset }
      return each.role === 'serving' ? { ...each, ...from, since: offset } : each
    })
  switch (command.command) {
    case 'verified':
      return change(verified(meant, command))
    case 'steer':
      return change(steered(meant, command))
    case 'switch':
      return goOver({ ...unhindered, until: further(meant.until, 'serving') }, { role: 'previous' })
    case 'reverse':
      return goOver({ until: 'serving' }, { role: 'next', until: 'ready' })
    case 'complete':
    case 'cancel':
      return change(
        meant.role === 'leaving' ? { forsaken: true } : { role: 'leaving', since: offset, forsaken: (command.forced ?? []).includes(LEFT) },
      )
    default:
      return generations.filter(each => each !== meant)
  }
}

function verified({ until }: GenerationState, { openings, differences, unresolved }: Verified): Partial<GenerationState> {
  return { verification: { openings, differences, unresolved }, until: differences === 0 ? until : 'ready' }
}

function steered(meant: GenerationState, { until = meant.until, paused = meant.paused, rate, why }: Steer): Partial<GenerationState> {
  return { until, paused, why: paused ? (why ?? meant.why) : undefined, rate: rate === undefined ? meant.rate : (rate ?? undefined) }
}
