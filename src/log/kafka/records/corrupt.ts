import { LogfoldError } from '../../../model/errors.ts'
import type { Offset } from '../../../model/record.ts'

/** A batch that is as it was written, by its checksum, and can't be read. Fetching it again brings the same bytes. */
export const corrupt = (where: string, baseOffset: Offset, what: string, cause?: unknown): LogfoldError =>
  new LogfoldError('log-corrupt', `${where}: the batch at offset ${baseOffset} can't be read: ${what}`, {
    remedy:
      'See with kafka-dump-log.sh --deep-iteration what the segment holds, and whether other consumers get past it; deleting or compacting the batch away lets the view go on',
    cause,
  })
