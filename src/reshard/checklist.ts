import type { LiveGeneration } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { Living } from '../generations/roll.ts'
import { type GenerationState, LEFT, ofRole, UNVERIFIED, type ViewState } from '../generations/state.ts'
import { answeredWithin } from '../model/bounded.ts'
import { LogfoldError } from '../model/errors.ts'
import { generationName } from '../model/generation.ts'
import type { Forceable, ReshardCheck, ReshardVerb } from '../model/reshard.ts'
import { notReady, readersLacking, unverified } from './checks.ts'

/** What speaks for and against a command to a generation that is there, in the words that an operator reads. */

const PING_MS = 2_000

/** @param why what speaks against it; undefined: nothing does */
export const checkOf = (name: string, why: string | undefined, well: string, remedy: string | null): ReshardCheck => ({
  name,
  ok: why === undefined,
  detail: why ?? well,
  remedy: why === undefined ? null : remedy,
  forced: false,
})

/** Those that speak against it, and that the operator said to override, are forced. */
export const overridden = (checks: readonly ReshardCheck[], force: readonly Forceable[]): readonly ReshardCheck[] =>
  checks.map(check => ({ ...check, forced: !check.ok && force.some(name => name === check.name) }))

export const standInTheWay = (checks: readonly ReshardCheck[]): readonly ReshardCheck[] => checks.filter(({ ok, forced }) => !ok && !forced)

/** What keeps a command from being sent, all of it at once. */
export function commandRefused(view: string, verb: ReshardVerb, failed: readonly ReshardCheck[]): LogfoldError {
  const remedies = [...new Set(failed.flatMap(({ remedy }) => remedy ?? []))]
  return new LogfoldError('command-refused', `${verb} of ${view} does not fit now. ${failed.map(({ detail }) => detail).join('; ')}`, {
    remedy: remedies.length === 0 ? undefined : remedies.join('; '),
    errors: failed.map(({ name, detail }) => ({ pointer: name, detail })),
  })
}

interface Parts {
  readonly view: LiveView
  readonly state: ViewState
  /** The one that is meant. */
  readonly of: GenerationState
  readonly force: readonly Forceable[]
  readonly living: () => Promise<readonly Living[]>
  readonly signal: AbortSignal
}

/** All of them, so that a refusal names everything that is missing. @throws bugs; what keeps from knowing who lives */
export async function checksOf(verb: ReshardVerb, parts: Parts): Promise<readonly ReshardCheck[]> {
  switch (verb) {
    case 'switch':
    case 'reverse':
      return await toServe(verb, parts)
    case 'complete':
      return [...(await whatServesIsReady(parts)), ...(await left(parts))]
    case 'cancel':
      return await left(parts)
    default:
      return []
  }
}

async function toServe(verb: 'switch' | 'reverse', { view, of, living, signal }: Parts): Promise<readonly ReshardCheck[]> {
  const live = liveOf(view, of.number)
  const name = generationName(live.generation)
  // First, as it takes longest: what the others say is of the last moment.
  const lacking = readersLacking(await living(), view.name, of.number)
  const [ready, verified] = await Promise.all([notReady(live, signal), verb === 'switch' ? unverified(live) : undefined])
  return [
    checkOf('not-ready', ready, `${name} is filled, and up to date`, orForce(`Wait until it is: logfold status ${view.name}`, 'not-ready')),
    ...(verb === 'switch'
      ? [checkOf(UNVERIFIED, verified, `${name} is verified`, orForce(`Verify it: logfold reshard verify ${view.name}`, UNVERIFIED))]
      : []),
    checkOf(
      'readers',
      lacking,
      `Every process can read ${name}`,
      orForce('Give those processes the backend and its shards in their config, or see why they cannot reach it', 'readers'),
    ),
  ]
}

/** One that leaves already has nothing to do with what serves. */
async function whatServesIsReady({ view, state, of, signal }: Parts): Promise<readonly ReshardCheck[]> {
  const serving = ofRole(state, 'serving')
  if (of.role === 'leaving' || serving === undefined) return []
  const live = liveOf(view, serving.number)
  const name = generationName(live.generation)
  const remedy = `Wait until it is, or go back: logfold status ${view.name}, logfold reshard reverse ${view.name}`
  return [checkOf('not-ready', await notReady(live, signal), `${name}, which serves, is up to date`, orForce(remedy, 'not-ready'))]
}

/**
 * Only where the operator says that what is left may stay: without that it is waited for servers that are away. Of one that leaves already he is
 * taken at his word, as there may be more than silence that keeps it there.
 */
async function left({ view, of, force }: Parts): Promise<readonly ReshardCheck[]> {
  if (!force.includes(LEFT)) return []
  const live = liveOf(view, of.number)
  const silent = await silentShards(live)
  if (silent.length === 0 && of.role !== 'leaving') return []
  const name = generationName(live.generation)
  const why =
    silent.length === 0 ? `What is left of ${name} stays where it cannot be taken away` : `What ${name} has on ${silent.join(', ')} stays there`
  return [checkOf(LEFT, why, '', null)]
}

async function silentShards(live: LiveGeneration): Promise<readonly string[]> {
  const { backend } = live
  const { shards } = live.state.pinned
  if (backend === undefined) return shards
  const answers = await Promise.all(shards.map(shard => answeredWithin(PING_MS, async () => (await backend.ping(shard)) === undefined)))
  return shards.filter((_, at) => answers[at] !== true)
}

/** @throws internal: the view follows the commands as they are folded, so whoever has seen one of a generation has seen it there */
export function liveOf(view: LiveView, number: number): LiveGeneration {
  const live = view.generation(number)
  if (live === undefined) throw new LogfoldError('internal', `The view ${view.name} does not know its generation ${number}`)
  return live
}

const orForce = (remedy: string, name: Forceable): string => `${remedy}; or override it: --force ${name}`
