import type { Pinned } from '../generations/command.ts'
import { generationOf } from '../generations/definition.ts'
import { isAnswer, isLogfoldError, messageOf } from '../model/errors.ts'
import type { ViewBackend } from '../model/view-backend.ts'

/** Ahead of what was given: with so much left behind, a person should look. */
const TRIED_MAX = 1_000
/** Of a generation that no command makes. */
const NOWHERE = -1

export interface FreeNumber {
  readonly number: number
  /** Numbers that were passed over, as a shard holds something under them. */
  readonly taken: readonly number[]
  /** Why it isn't known whether this number is free; undefined where it is. */
  readonly doubt: string | undefined
}

/**
 * The next number under which no shard of the target holds anything: what stands there may be of another log, or of a control topic that was lost.
 * @throws bugs
 */
export async function freeNumber(view: string, from: number, pinned: Pinned, target: ViewBackend, signal: AbortSignal): Promise<FreeNumber> {
  const taken: number[] = []
  for (let number = from; taken.length < TRIED_MAX; number++) {
    signal.throwIfAborted()
    const generation = generationOf(view, { number, createdAt: NOWHERE, pinned }, '')
    const found = await Promise.all(target.shards.map(async shard => ({ shard, ...(await lookAt(() => target.admin(generation).opening(shard))) })))
    if (found.some(({ holds }) => holds === 'something')) {
      taken.push(number)
      continue
    }
    const silent = found.filter(({ holds }) => holds === 'unknown').map(({ shard, why }) => `${shard}: ${why}`)
    return { number, taken, doubt: silent.length === 0 ? undefined : `Not every shard says what it holds: ${silent.join('; ')}` }
  }
  return { number: from + TRIED_MAX, taken, doubt: `The shards hold something under each number from ${from} to ${from + TRIED_MAX - 1}` }
}

async function lookAt(ask: () => Promise<string>): Promise<{ readonly holds: 'nothing' | 'something' | 'unknown'; readonly why: string }> {
  try {
    await ask()
    return { holds: 'something', why: '' }
  } catch (error) {
    if (!isAnswer(error)) throw error
    if (isLogfoldError(error, 'view-lost')) return { holds: 'nothing', why: '' }
    return { holds: isLogfoldError(error, 'foreign-store') ? 'something' : 'unknown', why: messageOf(error) }
  }
}
