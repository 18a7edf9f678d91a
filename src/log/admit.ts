import { LogfoldError } from '../model/errors.ts'
import type { Topic } from '../model/log.ts'
import type { NewRecord } from '../model/record.ts'

/** Whether a log takes records without a key. */
export type NullKeys = 'taken' | 'refused'

/** Why a log will never take this record, told before it is sent; undefined where it takes it. */
export function refusalOf({ name, partitions, recordBytesMax }: Topic, record: NewRecord, nullKeys: NullKeys): LogfoldError | undefined {
  const { partition, key, value } = record
  const bytes = (key?.length ?? 0) + (value?.length ?? 0)
  if (bytes > recordBytesMax) return new LogfoldError('too-large', `The record has ${bytes} bytes; the topic ${name} takes at most ${recordBytesMax}`)
  if (partition < 0 || partition >= partitions) return new LogfoldError('topic-mismatch', `The topic ${name} has no partition ${partition}`)
  if (key === null && nullKeys === 'refused') return new LogfoldError('invalid-id', `The compacted topic ${name} takes no record without a key`)
  return undefined
}
