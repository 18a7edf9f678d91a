import type { Source, View } from '../generations/view.ts'
import { isLogfoldError, LogfoldError, messageOf } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import type { AppendOutcome } from '../model/log.ts'
import { partitioners } from '../model/partitioner.ts'
import type { NewRecord, Offset } from '../model/record.ts'

const APPEND_MS = 10_000

/** The record of an entry; its partition is what the other writers of the topic would choose. @throws too-large, view-read-only */
export function recordOf(view: View, { topic }: Source, id: string, value: Uint8Array | null): NewRecord {
  const { partitioner } = view.definition
  if (partitioner === 'any') throw new LogfoldError('view-read-only', `${view.name} has no partitioner`)
  const key = Buffer.from(id)
  const bytes = key.length + (value?.length ?? 0)
  if (bytes > topic.recordBytesMax) {
    throw new LogfoldError('too-large', `Id and value have ${bytes} bytes; topic ${topic.name} takes ${topic.recordBytesMax}`, {
      remedy: "Send a smaller value, or raise the topic's limit.",
    })
  }
  return { partition: partitioners[partitioner](key, topic.partitions), key, value }
}

/** Appends in the order given; an outcome a record. @throws closing */
export async function append({ writer }: Source, records: readonly NewRecord[]): Promise<readonly AppendOutcome[]> {
  try {
    const outcomes = await writer.append(records, APPEND_MS)
    failPoint('api/appended')
    return outcomes
  } catch (error) {
    if (!isLogfoldError(error, 'closed')) throw error
    throw new LogfoldError('closing', 'The log was closed, as the server is shutting down', { cause: error })
  }
}

/** The offset, or why there is none. @throws too-large, invalid-value, log-unavailable, outcome-unknown */
export function offsetOf(outcome: AppendOutcome, id: string): Offset {
  switch (outcome.kind) {
    case 'appended':
      return outcome.offset
    case 'refused':
      throw known(outcome.cause) ?? new LogfoldError('invalid-value', `The log refused the record: ${messageOf(outcome.cause)}`)
    case 'not-sent':
      throw known(outcome.cause) ?? new LogfoldError('log-unavailable', `The log is away: ${messageOf(outcome.cause)}`)
    case 'unknown':
      throw new LogfoldError(
        'outcome-unknown',
        `The log did not confirm ${JSON.stringify(id)} (${messageOf(outcome.cause)}); it may still be written`,
        { cause: outcome.cause, remedy: 'Look for the entry later, or repeat the write with PUT or DELETE under the same id.' },
      )
  }
}

const known = (cause: unknown): LogfoldError | undefined => (isLogfoldError(cause) && cause.code !== 'closed' ? cause : undefined)
