import { type GenerationState, isVerified, type Refusal, type ViewState } from '../generations/state.ts'
import type { ReshardCheck } from '../model/reshard.ts'

/** What people are told of a command that doesn't fit the state of its view. */

const roles: Readonly<Record<Exclude<GenerationState['role'], 'next'>, string>> = {
  serving: 'serves',
  previous: 'served before, and is still fed',
  leaving: 'is being taken away',
}

const does = (state: GenerationState): string => {
  if (state.role !== 'next') return roles[state.role]
  return `${isVerified(state) ? 'is verified' : 'is being built'}${state.paused ? ' (paused)' : ''}`
}

/** `job@1 serves, job@2 is being built` */
function inWords(view: string, { generations }: Pick<ViewState, 'generations'>): string {
  if (generations.length === 0) return `${view} has no generation`
  return generations.map(state => `${view}@${state.number} ${does(state)}`).join(', ')
}

type Text = Pick<ReshardCheck, 'detail' | 'remedy'>

/** @param number the generation that was meant */
export function refusalText(view: string, state: ViewState, reason: Refusal, number: number): Text {
  const name = `${view}@${number}`
  const now = inWords(view, state)
  switch (reason) {
    case 'out-of-date':
      return {
        detail: `Somebody else was quicker: since it was checked, another command came. Now ${now}`,
        remedy: `See what it is now, and repeat it if it still makes sense: logfold status ${view}`,
      }
    case 'halted':
      return { detail: `A later version of logfold is at work on ${view}`, remedy: 'Start the later version here, too' }
    case 'two-alive':
      return { detail: `There are two already: ${now}`, remedy: waysOut(view, state) }
    case 'number-taken':
      return { detail: `The number ${number} was given before. Now ${now}`, remedy: 'Repeat it: the next number is taken by itself' }
    case 'not-next':
      return { detail: `None is being built: ${now}`, remedy: makeOne(view) }
    case 'not-verified':
      return { detail: `${name} is not verified: ${now}`, remedy: `Verify it: logfold reshard verify ${view}` }
    case 'not-leaving':
      return { detail: `${name} does not leave: ${now}`, remedy: null }
    case 'serves':
      return { detail: `${name} serves, and what serves is never taken away`, remedy: `Switch to another one first: ${makeOne(view)}` }
    case 'serves-already':
      return { detail: `${name} serves already`, remedy: null }
    case 'leaves':
      return { detail: `${name} is taken away already: ${now}`, remedy: makeOne(view) }
    case 'use-switch':
      return { detail: `${name} has not served yet: ${now}`, remedy: `Switch to it: logfold reshard switch ${view}` }
    case 'use-reverse':
      return { detail: `${name} has served before: ${now}`, remedy: `Go back to it: logfold reshard reverse ${view}` }
    case 'use-complete':
      return {
        detail: `None is being built: ${now}`,
        remedy: `Take away what served before, or go back to it: logfold reshard complete ${view}, logfold reshard reverse ${view}`,
      }
    case 'use-cancel':
      return { detail: `None served before: ${now}`, remedy: `Take away what is being built: logfold reshard cancel ${view}` }
    case 'no-such-generation':
      return { detail: `There is no such generation: ${now}`, remedy: makeOne(view) }
  }
}

const makeOne = (view: string): string => `Make one: logfold reshard create ${view} --to BACKEND, or logfold rebuild ${view}`

function waysOut(view: string, { generations }: ViewState): string {
  return generations.some(({ role }) => role === 'next')
    ? `Switch to the one that is being built once it is verified, or take it away: logfold reshard switch ${view}, logfold reshard cancel ${view}`
    : `Take away what served before, or go back to it: logfold reshard complete ${view}, logfold reshard reverse ${view}`
}
