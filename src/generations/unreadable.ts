import { LogfoldError } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Topic } from '../model/log.ts'
import { byRebuild } from '../model/remedies.ts'
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

/** Why no shard can be read: what stops the view for good, or else where it is folded. */
export function whyNone(view: string, shards: readonly { readonly shard: string; readonly now: Health }[]): LogfoldError {
  const errors = shards.map(({ shard, now }) => unreadable(view, shard, now))
  return errors.find(isForeign) ?? errors.find(({ code }) => code === 'view-folding') ?? errors[0] ?? unreadable(view, '', { kind: 'unknown' })
}

/** Without the server's address, which is not everybody's to know; the status has it. */
export const unanswering = (what: string, cause: LogfoldError): LogfoldError =>
  new LogfoldError('view-unavailable', `${what} does not answer`, { cause, remedy: 'Try again in a moment', retryAfterMs: 1_000 })

export const isForeign = (error: LogfoldError | undefined): error is LogfoldError => error?.code === 'foreign-store'

/** Why a generation isn't folded from the topic that is there. */
export const madeAgain = ({ view, topicId }: Generation, { name, id }: Topic): LogfoldError =>
  new LogfoldError('topic-mismatch', `The topic ${name} was made again: its id is ${id}, and was ${topicId}`, {
    remedy: `See that the new topic holds what it should, or name another one in the config (logfold reload). ${byRebuild(view)}`,
  })

/** As the log says it of a topic that is to be opened, which knows of no generation that was folded from it. */
export const withoutTopic = (error: LogfoldError, view: string): LogfoldError =>
  error.code !== 'topic-missing' && error.code !== 'topic-mismatch'
    ? error
    : new LogfoldError(error.code, error.message, {
        // The log's own last, as it may end with a command, too.
        remedy: `The view goes on by itself once its topic is as it was. ${byRebuild(view)}. ${error.remedy ?? ''}`,
        cause: error,
      })
