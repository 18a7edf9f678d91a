import { LogfoldError } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Topic } from '../model/log.ts'
import { formatProgress, type Health } from './shard-health.ts'

/** What a client is told of a shard that it can't be answered from. */
export function unreadable(view: string, shard: string, health: Health): LogfoldError {
  const folding = (progress: string): LogfoldError =>
    new LogfoldError('view-folding', `The view ${view} is being folded: ${progress}`, {
      remedy: 'It serves by itself once it has caught up',
      retryAfterMs: 1_000,
    })
  switch (health.kind) {
    case 'folding':
      return folding(`shard ${shard}, ${formatProgress(health.progress)}`)
    case 'behind':
      return new LogfoldError(
        'view-behind',
        `Shard ${shard} of ${view} came back with an older state, and catches up: ${formatProgress(health.progress)}`,
        {
          remedy: 'It serves by itself once it has caught up',
          retryAfterMs: 1_000,
        },
      )
    case 'away':
      // A store that was never opened is one that a worker has yet to come to.
      if (health.error.code === 'view-lost') return folding(`no worker has opened shard ${shard} yet`)
      return health.error.code === 'view-unavailable' ? unanswering(`Shard ${shard} of ${view}`, health.error) : health.error
    default:
      return new LogfoldError('view-unavailable', `The store of ${view} has not been looked at yet`, {
        remedy: 'Try again in a moment',
        retryAfterMs: 1_000,
      })
  }
}

/** Without the server's address, which is not everybody's to know; the status has it. */
export const unanswering = (what: string, cause: LogfoldError): LogfoldError =>
  new LogfoldError('view-unavailable', `${what} does not answer`, { cause, remedy: 'Try again in a moment', retryAfterMs: 1_000 })

export const isForeign = (error: LogfoldError | undefined): error is LogfoldError => error?.code === 'foreign-store'

/** Why a generation isn't folded from the topic that is there. */
export const madeAgain = ({ view, topicId }: Generation, { name, id }: Topic): LogfoldError =>
  new LogfoldError('topic-mismatch', `The topic ${name} was made again since the view was folded: its id is ${id}, and was ${topicId}`, {
    remedy: `Bring the topic back that it was, or fold the view anew from the one that is there: logfold rebuild ${view}`,
  })
