import { endOffsetsOf } from '../generations/connected.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import type { Living } from '../generations/roll.ts'
import { isVerified } from '../generations/state.ts'
import { isAnswer, messageOf } from '../model/errors.ts'
import { generationName } from '../model/generation.ts'
import { pause } from '../model/pause.ts'
import { lagOf, type Offset } from '../model/record.ts'

/**
 * What speaks against a command, since it goes by time or stores (SPEC.md has the table). Each answers why not; undefined where nothing does. They
 * throw bugs alone: what can't be asked speaks against it.
 */

/** Ends of the log that are older needn't be reached: else a generation under steady writes would never be ready. */
const ENDS_AGE_MAX_MS = 500
const LOOK_MS = 25

/** Every shard is filled, none is away, and each vouches for the end offsets seen up to half a second ago. */
export async function notReady(live: LiveGeneration, signal: AbortSignal): Promise<string | undefined> {
  const why = live.unreadable()
  if (why !== undefined) return why.message
  if (live.stopped !== undefined) return live.stopped.message
  try {
    const source = live.source()
    const { backend, reader, generation } = source
    const ends = await endOffsetsOf(source)
    const askedMs = performance.now()
    let missing = ''
    do {
      const lags = await Promise.all(backend.shards.map(async shard => ({ shard, lag: lagOf(await reader.vouched(shard), ends) })))
      const behind = lags.filter(({ lag }) => lag > 0)
      if (behind.length === 0) return undefined
      missing = `${generationName(generation)} lags: ${behind.map(({ shard, lag }) => `shard ${shard} by ${lag} records`).join(', ')}`
      await pause(LOOK_MS, signal)
    } while (performance.now() - askedMs < ENDS_AGE_MAX_MS && !signal.aborted)
    return missing
  } catch (error) {
    return saidBy(error)
  }
}

/** A verification without differences stands, and no shard was opened anew since. */
export async function unverified(live: LiveGeneration): Promise<string | undefined> {
  const { state } = live
  const name = generationName(live.generation)
  if (!isVerified(state)) {
    const { verification } = state
    if (verification === undefined) return `${name} is not verified`
    return `Verifying ${name} found ${verification.differences} differences`
  }
  try {
    const anew = await openedAnew(live)
    return anew.length === 0 ? undefined : `Since ${name} was verified, its shards ${anew.join(', ')} were folded anew`
  } catch (error) {
    return saidBy(error)
  }
}

/** The shards that were opened since the verification. @throws what a store says that can't be asked */
export async function openedAnew(live: LiveGeneration): Promise<readonly string[]> {
  const { openings = {} } = live.state.verification ?? {}
  const now = Object.entries(await openingsOf(live))
  return now.filter(([shard, opening]) => openings[shard] !== opening).map(([shard]) => shard)
}

/** Shard → its present opening. @throws what a store says that can't be asked */
export async function openingsOf(live: LiveGeneration): Promise<Readonly<Record<string, string>>> {
  const { backend, generation } = live.source()
  const admin = backend.admin(generation)
  return Object.fromEntries(await Promise.all(backend.shards.map(async shard => [shard, await admin.opening(shard)] as const)))
}

/** Every live process that answers reads can read this generation of the view. */
export function readersLacking(living: readonly Living[], view: string, number: number): string | undefined {
  const lacking = living.filter(({ says }) => {
    if (says === undefined) return true
    // Whose config has no such view answers nobody from it.
    const known = says.views[view]
    return says.role !== 'worker' && known !== undefined && !known.canRead.includes(number)
  })
  return lacking.length === 0 ? undefined : `Not every process can read ${view}@${number}: ${lacking.map(whoIs).join(', ')}`
}

/** Every live process that has the view has an address for each of these shards. */
export function addressesLacking(living: readonly Living[], view: string, backend: string, shards: readonly string[]): string | undefined {
  const lacking = living.flatMap(each => {
    if (each.says !== undefined && each.says.views[view] === undefined) return []
    const known = each.says?.backends[backend]
    const missing = shards.filter(shard => known?.includes(shard) !== true)
    if (missing.length === 0) return []
    return [`${whoIs(each)} (${known === undefined ? `no backend ${backend}` : `no shard ${missing.join(', ')}`})`]
  })
  return lacking.length === 0 ? undefined : `Not every process has the backend ${backend} in its config: ${lacking.join(', ')}`
}

/** Live processes that answer reads from it, new ones or some under way. One that can't be understood may. */
export const readersOf = (living: readonly Living[], view: string, number: number): readonly string[] =>
  living.filter(({ says }) => says === undefined || (says.role !== 'worker' && says.views[view]?.reads.includes(number) === true)).map(whoIs)

/**
 * Live processes that answer reads from a generation that leaves, or could: one that hasn't folded that it leaves may have gone
 * back to it since it last said what it reads.
 * @param since offset of the command by which it leaves
 */
export const mayRead = (living: readonly Living[], view: string, number: number, since: Offset): readonly string[] =>
  living
    .filter(
      ({ says }) => says === undefined || (says.role !== 'worker' && (says.folded <= since || says.views[view]?.reads.includes(number) === true)),
    )
    .map(whoIs)

/** For people: host and process. */
const whoIs = ({ name, says }: Living): string => (says === undefined ? `a process of a later version (${name})` : `${says.host}/${says.pid}`)

/** What it says, where it is an answer. @throws bugs */
export function saidBy(error: unknown): string {
  if (!isAnswer(error)) throw error
  return messageOf(error)
}
