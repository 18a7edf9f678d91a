import { isLogfoldError } from '../model/errors.ts'
import type { Log, LogReader, Topic } from '../model/log.ts'
import type { Offset, Stretch } from '../model/record.ts'
import type { SetOp } from '../model/view-backend.ts'
import type { Patience } from './patience.ts'

interface Source {
  readonly log: Log
  readonly topic: Topic
  readonly patience: Patience
}

/** Opens a reader that waits no longer than the run lasts. @throws the signal's reason once that aborts, here and from `next` */
export function openReader({ log, topic, patience }: Source, partition: number, position: Offset, leaderEpoch?: number): LogReader {
  const { signal } = patience
  signal.throwIfAborted()
  const reader = log.reader(topic, partition, position, leaderEpoch)
  const close = (): void => {
    signal.removeEventListener('abort', close)
    reader.close()
  }
  signal.addEventListener('abort', close)
  return {
    async next(waitMs: number): Promise<Stretch> {
      try {
        return await reader.next(waitMs)
      } catch (error) {
        if (isLogfoldError(error, 'closed')) signal.throwIfAborted()
        throw error
      }
    },
    close,
  }
}

/** With bytes of its own, so that it doesn't keep the stretch it came with. */
export function copied(op: SetOp): SetOp {
  const buffer = op.value.buffer.slice(op.value.start, op.value.end)
  return { ...op, value: { buffer, start: 0, end: buffer.length } }
}
