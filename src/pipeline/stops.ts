import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import { type Generation, type Identity, identityDifference, identityOf } from '../model/generation.ts'
import { byRebuild } from '../model/remedies.ts'
import type { Batch } from '../model/view-backend.ts'

/** Why a shard with another identity isn't touched, by what differs first: each has a remedy of its own. */
export function foreignShard(generation: Generation, shard: string, found: Identity): LogfoldError {
  const expected = identityOf(generation, shard)
  switch (identityDifference(expected, found)) {
    case 'shard':
      return new LogfoldError('foreign-store', `The server configured as shard ${shard} holds shard ${found.shard}`, {
        remedy: "Let the config's shard names and addresses agree again, and start logfold again; nothing of what stands there was changed",
      })
    default:
      return new LogfoldError(
        'foreign-store',
        `Shard ${shard} holds ${found.uid} of log ${found.logId} (topic ${found.topicId}), not ${expected.uid} of log ${expected.logId} (topic ${expected.topicId})`,
        {
          remedy: `The log or one of its topics was made again, or the config names a store that belongs to another log. Bring the right one back, and start logfold again; or fold the view anew, under the next number that is free there: logfold rebuild ${generation.view}`,
        },
      )
  }
}

export const refusedBy = (shard: string, { from, checkpoint }: Batch, cause: unknown): LogfoldError => {
  const remedy = (isLogfoldError(cause) ? cause.remedy : undefined) ?? 'Take away from the store what refuses it: nothing was folded past this batch'
  return new LogfoldError('store-refused', `Shard ${shard} refuses the batch ${from} to ${checkpoint.position}: ${messageOf(cause)}`, {
    cause,
    remedy: `${remedy}. Then start logfold again`,
  })
}

/**
 * What ended the folding, as the reason for which the view is stopped; `internal` where it is a bug. A log says what became of its topic, and knows
 * of no view: what helps that is said here.
 */
export function asStop(error: unknown, where: string, view: string): LogfoldError {
  if (!isLogfoldError(error)) {
    const remedy = "Report it, with the worker's log; logfold goes on from here when it is started again"
    return new LogfoldError('internal', `${where}: ${messageOf(error)}`, { remedy, cause: error })
  }
  switch (error.code) {
    case 'offset-out-of-range':
      return new LogfoldError('offset-out-of-range', `${where}: ${error.message}`, {
        remedy: `The log is not the one the store was folded from, or it lost records. Bring the log back, and start logfold again; or fold the view anew, from what the log has: logfold rebuild ${view}`,
        cause: error,
      })
    case 'topic-missing':
    case 'topic-mismatch':
      return foldedAnew(error, view)
    default:
      return error
  }
}

/** The same, with what folds the view from the topic that the config names, once that is one to fold from. */
const foldedAnew = (error: LogfoldError, view: string): LogfoldError =>
  new LogfoldError(error.code, error.message, {
    remedy: `${error.remedy === undefined ? '' : `${error.remedy}. `}${byRebuild(view)}`,
    cause: error,
  })
