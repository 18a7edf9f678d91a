import { LogfoldError } from '../../src/model/errors.ts'
import { type Checkpoint, type Generation, generationName, type Identity, identityDifference, identityOf } from '../../src/model/view-backend.ts'
import type { Reply } from './connection.ts'

export type Standing = { readonly kind: 'open' } | { readonly kind: 'lost' } | { readonly kind: 'foreign'; readonly found: Identity }

const IDENTITY_KEYS = ['uid', 'logId', 'topicId', 'definitionHash', 'shard'] as const
const CHECKPOINT_KEYS = ['position', 'vouched', 'tombstonesRemovedTo', 'leaderEpoch', 'atEndMs'] as const

export const checkpointZero: Checkpoint = { position: 0, vouched: 0, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }

/** An identity as it stands in a store; the same text for the same identity. */
export const identityText = (generation: Generation, shard: string): string => JSON.stringify(identityOf(generation, shard), [...IDENTITY_KEYS])

export const checkpointText = (checkpoint: Checkpoint): string => JSON.stringify(checkpoint, [...CHECKPOINT_KEYS])

/** Whose data a shard holds under a generation's name, by what stands at its identity key. */
export function standingOf(reply: Reply | undefined, generation: Generation, shard: string): Standing {
  if (!Buffer.isBuffer(reply)) return { kind: 'lost' }
  const text = reply.toString()
  if (text === identityText(generation, shard)) return { kind: 'open' }
  const found = parsed(text)
  if (found === undefined) return { kind: 'lost' }
  const [uid, logId, topicId, definitionHash, name] = IDENTITY_KEYS.map(key => String(found[key] ?? ''))
  const identity = { uid: uid ?? '', logId: logId ?? '', topicId: topicId ?? '', definitionHash: definitionHash ?? '', shard: name ?? '' }
  return identityDifference(identityOf(generation, shard), identity) === undefined ? { kind: 'open' } : { kind: 'foreign', found: identity }
}

/** Undefined where there is none, or it can't be read: it is lost, never 0. */
export function checkpointOf(reply: Reply | undefined): Checkpoint | undefined {
  const found = Buffer.isBuffer(reply) ? parsed(reply.toString()) : undefined
  if (found === undefined) return undefined
  const [position, vouched, tombstonesRemovedTo, leaderEpoch, atEndMs] = CHECKPOINT_KEYS.map(key => found[key]).filter(isInteger)
  if (position === undefined || vouched === undefined || tombstonesRemovedTo === undefined) return undefined
  if (leaderEpoch === undefined || atEndMs === undefined) return undefined
  return { position, vouched, tombstonesRemovedTo, leaderEpoch, atEndMs }
}

/** One a partition; undefined where one of them is missing. */
export function checkpointsOf(replies: readonly (Reply | undefined)[]): readonly Checkpoint[] | undefined {
  const checkpoints = replies.map(checkpointOf)
  return checkpoints.every(checkpoint => checkpoint !== undefined) ? checkpoints : undefined
}

/** @throws view-lost, foreign-store */
export function assertOpen(standing: Standing, generation: Generation, where: string): void {
  if (standing.kind === 'open') return
  const name = generationName(generation)
  if (standing.kind === 'lost') throw new LogfoldError('view-lost', `${where} does not hold ${name}`)
  const { uid, shard } = standing.found
  throw new LogfoldError('foreign-store', `${where} holds another ${name}: ${uid} of shard ${shard}`, {
    remedy: 'Mend the addresses in `shards`, or give the backend a keyPrefix of its own',
  })
}

/** @throws view-lost, foreign-store, view-folding */
export function assertFilled(identity: Reply | undefined, filled: Reply | undefined, generation: Generation, shard: Placed): void {
  assertOpen(standingOf(identity, generation, shard.name), generation, shard.where)
  if (!Buffer.isBuffer(filled)) throw new LogfoldError('view-folding', `${generationName(generation)} is not filled yet on ${shard.where}`)
}

interface Placed {
  readonly name: string
  readonly where: string
}

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value)

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
