import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import { type Batch, type Generation, type Identity, identityDifference, identityOf } from '../model/view-backend.ts'

/** Why a shard with another identity isn't touched, by what differs first: each has a remedy of its own. */
export function foreignShard(generation: Generation, shard: string, found: Identity): LogfoldError {
  const expected = identityOf(generation, shard)
  switch (identityDifference(expected, found)) {
    case 'definitionHash':
      return new LogfoldError(
        'definition-changed',
        `What shard ${shard} holds was folded by another definition of view ${generation.view} than the config's`,
        {
          remedy:
            'Take the change to the view back in the config, or give the view another backend (an empty file), where it is folded from the start',
        },
      )
    case 'shard':
      return new LogfoldError('foreign-store', `The server configured as shard ${shard} holds shard ${found.shard}`, {
        remedy: "Let the config's shard names and addresses agree again; nothing of what stands there was changed",
      })
    default:
      return new LogfoldError(
        'foreign-store',
        `Shard ${shard} holds ${found.uid} of log ${found.logId} (topic ${found.topicId}), not ${expected.uid} of log ${expected.logId} (topic ${expected.topicId})`,
        {
          remedy:
            'The log or its topic was made again, or the config names a store that belongs to another log. Bring the right one back, or give the view another backend (an empty file); nothing of what stands there was changed',
        },
      )
  }
}

export const refusedBy = (shard: string, { from, checkpoint }: Batch, cause: unknown): LogfoldError => {
  const remedy = isLogfoldError(cause) ? cause.remedy : undefined
  return new LogfoldError('store-refused', `Shard ${shard} refuses the batch ${from} to ${checkpoint.position}: ${messageOf(cause)}`, {
    cause,
    ...(remedy === undefined ? {} : { remedy }),
  })
}

/** What ended the fold of a partition, as the reason for which its view is stopped. */
export function asStop(error: unknown, generation: Generation, partition: number): LogfoldError {
  if (!isLogfoldError(error))
    return new LogfoldError('internal', `Partition ${partition} of ${generation.view}: ${messageOf(error)}`, { cause: error })
  if (error.code !== 'offset-out-of-range') return error
  return new LogfoldError('offset-out-of-range', `Partition ${partition}: ${error.message}`, {
    remedy:
      'The log is not the one the store was folded from, or it lost its end. Bring the log back, or let the view be folded again into an empty store',
    cause: error,
  })
}
