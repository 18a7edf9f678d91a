import { randomUUID } from 'node:crypto'
import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, type Identity, identityDifference, identityOf } from '../../src/model/generation.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'
import type { Inspection } from './inspect.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'

export type NotOpen = { readonly kind: 'lost' } | { readonly kind: 'foreign'; readonly found: Identity }
export type Standing = { readonly kind: 'open' } | NotOpen

const IDENTITY_KEYS = ['uid', 'logId', 'topicId', 'definitionHash', 'shard'] as const
const CHECKPOINT_KEYS = ['position', 'vouched', 'tombstonesRemovedTo', 'leaderEpoch', 'atEndMs'] as const

/** An identity as it stands in a store; the same text for the same identity. */
export const identityText = (generation: Generation, shard: string): string => JSON.stringify(identityOf(generation, shard), [...IDENTITY_KEYS])

export const checkpointText = (checkpoint: Checkpoint): string => JSON.stringify(checkpoint, [...CHECKPOINT_KEYS])

/** An opening as it stands in a store: a name that no other has, and what the server had evicted by then. */
export const openingText = ({ runId = '', evictedKeys }: Inspection): string => JSON.stringify({ opening: randomUUID(), runId, evictedKeys })

/** The opening's name. Empty where there is none: an earlier logfold opened the shard. */
export function openingOf(reply: Reply | undefined): string {
  const found = Buffer.isBuffer(reply) ? parsed(reply.toString()) : undefined
  return typeof found?.opening === 'string' ? found.opening : ''
}

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
  return found !== undefined && isCheckpoint(found) ? found : undefined
}

/** One a partition; undefined where one of them is missing: then the shard is lost. */
export function checkpointsOf(replies: readonly (Reply | undefined)[]): readonly Checkpoint[] | undefined {
  const checkpoints = replies.map(checkpointOf)
  return checkpoints.every(checkpoint => checkpoint !== undefined) ? checkpoints : undefined
}

/** The identity's key and the checkpoints', to be read in one moment. */
export const checkpointsRequest = ({ identity, checkpoints }: Names): Request => new Request().command('MGET', identity, ...checkpoints)

/** What the reply to `checkpointsRequest` says. */
export function readCheckpoints(reply: Reply | undefined, generation: Generation, shard: string): NotOpen | Checkpoints {
  const [found, ...rest] = reply as readonly Reply[]
  const standing = standingOf(found, generation, shard)
  if (standing.kind !== 'open') return standing
  const checkpoints = checkpointsOf(rest)
  return checkpoints === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints }
}

/** @throws view-lost, foreign-store */
export function assertOpen(identity: Reply | undefined, generation: Generation, shard: Placed): void {
  const standing = standingOf(identity, generation, shard.name)
  if (standing.kind !== 'open') throw notOpen(standing, generation, shard)
}

export function notOpen(standing: NotOpen, generation: Generation, { where }: Placed): LogfoldError {
  const name = generationName(generation)
  if (standing.kind === 'lost') return new LogfoldError('view-lost', `${where} does not hold ${name}, or not whole`)
  const { uid, shard } = standing.found
  return new LogfoldError('foreign-store', `${where} holds another ${name}: ${uid} of shard ${shard}`, {
    remedy: 'Mend the addresses in `shards`, or give the backend a keyPrefix of its own',
  })
}

/** @throws view-lost, foreign-store, view-folding */
export function assertFilled(identity: Reply | undefined, filled: Reply | undefined, generation: Generation, shard: Placed): void {
  assertOpen(identity, generation, shard)
  if (!Buffer.isBuffer(filled)) throw new LogfoldError('view-folding', `${generationName(generation)} is not filled yet on ${shard.where}`)
}

interface Placed {
  readonly name: string
  readonly where: string
}

interface Checkpoints {
  readonly kind: 'open'
  readonly checkpoints: readonly Checkpoint[]
}

const isCheckpoint = (found: Readonly<Record<string, unknown>>): found is Readonly<Record<string, unknown>> & Checkpoint =>
  CHECKPOINT_KEYS.every(key => Number.isSafeInteger(found[key]))

/** Undefined where it is no object in JSON. */
export function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
