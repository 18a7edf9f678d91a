import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName, type Identity, identityDifference, identityOf } from '../../src/model/generation.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'
import type { Row } from './connections.ts'
import { SHARD } from './names.ts'

/** Whose data the server holds under a generation's name. */
export type Standing =
  | { readonly kind: 'open'; readonly filled: boolean }
  | { readonly kind: 'lost' }
  | { readonly kind: 'foreign'; readonly found: Identity }

/** A row of `"@identity"` in one column, for `standingOf`. */
export const STANDING = 'json_build_array(i.uid, i.log_id, i.topic_id, i.definition_hash, i.shard, i.filled)::text'

/** As text, '' where there is none. By its name, so that a schema whose format has no such column yet is asked without an error. */
export const OPENING = `coalesce(to_jsonb(i) ->> 'opening', '')`

type IdentityMembers = readonly [uid: string, logId: string, topicId: string, definitionHash: string, shard: string]

/** The members in the order in which SQL compares them. */
export function identityMembers(generation: Generation): IdentityMembers {
  const { uid, logId, topicId, definitionHash, shard } = identityOf(generation, SHARD)
  return [uid, logId, topicId, definitionHash, shard]
}

export const identityFrom = ([uid, logId, topicId, definitionHash, shard]: IdentityMembers): Identity => ({
  uid,
  logId,
  topicId,
  definitionHash,
  shard,
})

/** @param text what `STANDING` gave; nothing where there is no row */
export function standingOf(text: string | null | undefined, generation: Generation): Standing {
  if (text === null || text === undefined) return { kind: 'lost' }
  const [uid, logId, topicId, definitionHash, shard, filled] = JSON.parse(text) as [...IdentityMembers, boolean]
  const found = identityFrom([uid, logId, topicId, definitionHash, shard])
  const foreign = identityDifference(identityOf(generation, SHARD), found) !== undefined
  return foreign ? { kind: 'foreign', found } : { kind: 'open', filled }
}

/** @throws view-lost, foreign-store */
export function assertOpen(standing: Standing, generation: Generation): { readonly filled: boolean } {
  if (standing.kind === 'open') return standing
  const name = generationName(generation)
  if (standing.kind === 'lost') throw new LogfoldError('view-lost', `The schema does not hold ${name}`)
  throw new LogfoldError('foreign-store', `The schema holds another ${name}, folded from something else`)
}

/** Columns of `"@checkpoint"` in the order of `checkpointOf`. */
export const CHECKPOINT = 'c.position, c.vouched, c.tombstones_removed_to, c.leader_epoch, c.at_end_ms'

export const checkpointMembers = ({ position, vouched, tombstonesRemovedTo, leaderEpoch, atEndMs }: Checkpoint): readonly number[] => [
  position,
  vouched,
  tombstonesRemovedTo,
  leaderEpoch,
  atEndMs,
]

export function checkpointOf(members: Row | readonly number[]): Checkpoint {
  const [position = 0, vouched = 0, tombstonesRemovedTo = 0, leaderEpoch = 0, atEndMs = 0] = members.map(Number)
  return { position, vouched, tombstonesRemovedTo, leaderEpoch, atEndMs }
}
